"""A model pack's networks, loaded and put together as its manifest says."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from hub.plugin import Model, Permanent

from .facenet import PlanarFaceNet
from .five_points import FivePoints
from .installed import model_id
from .manifest import Manifest
from .sessions import Session
from .stages import Aligner, Detector, FaceNet
from .vision import Scaling, Vision
from .yunet import YuNet


def assemble(manifest: Manifest, files: Mapping[str, bytes], *, threads: int, scaling: Scaling) -> Vision:
    """The pack ready to use, having looked at a small blank picture and embedded a blank chip once.

    `files` are the built ones. Raises Permanent when a network does not load or does not do what the manifest says.
    """
    try:
        detector = _detector(manifest, files, threads)
        aligner = _aligner(manifest, files)
        net = _net(manifest, files, threads)
        detector.detect(np.zeros((96, 160, 3), np.uint8))
        size = manifest.embedder.size
        given = net.embed(np.zeros((2, size, size, 3), np.uint8)).shape
    except Exception as error:
        fact = " ".join(str(error).split())[:300]
        raise Permanent(f"model pack {manifest.name} does not run: {fact}", hint="correct the pack") from error
    if given != (2, manifest.embedder.dimension):
        raise Permanent(
            f"model pack {manifest.name}: two chips give embeddings of shape {given}, "
            f"and the manifest says dimension {manifest.embedder.dimension}",
            hint="correct the manifest",
        )
    return Vision(detector, aligner, net, scaling)


def model(manifest: Manifest, min_face: int) -> Model:
    """What the pack's embeddings mean."""
    thresholds = manifest.thresholds
    return Model(
        id=model_id(manifest),
        dimension=manifest.embedder.dimension,
        metric=manifest.embedder.metric,
        threshold=thresholds.threshold,
        single_frame=thresholds.single_frame,
        margin=thresholds.margin,
        min_face=min_face,
        licence=manifest.licence,
        details={"pack": manifest.name, "source": manifest.source, "thresholds": thresholds.note},
    )


def _detector(manifest: Manifest, files: Mapping[str, bytes], threads: int) -> Detector:
    part = manifest.detector
    network = Session(files[part.file], threads=threads, arena=False)
    options = {key: value for key, value in (("score", part.score), ("nms", part.nms)) if value is not None}
    if part.kind == "yunet":
        return YuNet(network, smallest=part.smallest, **options)
    from .dlib import MmodDetector

    return MmodDetector(network, smallest=part.smallest, **options)


def _aligner(manifest: Manifest, files: Mapping[str, bytes]) -> Aligner:
    part = manifest.alignment
    if part.kind == "five_points":
        return FivePoints(part.template, manifest.embedder.size)
    from .dlib import DlibAligner, Landmarks

    return DlibAligner(Landmarks.load(io.BytesIO(files[part.file])))


def _net(manifest: Manifest, files: Mapping[str, bytes], threads: int) -> FaceNet:
    network = Session(files[manifest.embedder.file], threads=threads, arena=True)
    if manifest.converter == "dlib":
        from .dlib import DlibFaceNet

        return DlibFaceNet(network)
    return PlanarFaceNet(network, manifest.embedder)
