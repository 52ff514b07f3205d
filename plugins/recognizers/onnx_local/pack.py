"""A model pack's networks, loaded and put together as its manifest says."""

from __future__ import annotations

from pathlib import Path

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


def assemble(manifest: Manifest, folder: Path, *, threads: int, scaling: Scaling) -> Vision:
    """The pack ready to use, having looked at a small blank picture and embedded a blank chip once.

    `folder` holds what was built of it. Raises Permanent when a network does not load or do what the manifest says.
    """
    try:
        detector = _detector(manifest, folder, threads)
        aligner = _aligner(manifest, folder)
        net = _net(manifest, folder, threads)
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
        mirror_probes=thresholds.mirror_probes,
        licence=manifest.licence,
        details={"pack": manifest.name, "source": manifest.source, "thresholds": thresholds.note},
    )


def _detector(manifest: Manifest, folder: Path, threads: int) -> Detector:
    part = manifest.detector
    network = Session((folder / part.file).read_bytes(), threads=threads, arena=False)
    if part.kind == "mmod":
        from .dlib.mmod import MmodDetector

        return MmodDetector(network)
    options = {key: value for key, value in (("score", part.score), ("nms", part.nms)) if value is not None}
    return YuNet(network, smallest=part.smallest, **options)


def _aligner(manifest: Manifest, folder: Path) -> Aligner:
    part = manifest.alignment
    if part.kind == "five_points":
        return FivePoints(part.template, manifest.embedder.size)
    from .dlib.aligner import DlibAligner
    from .dlib.landmarks import ShapePredictor

    return DlibAligner(ShapePredictor.load(folder / part.file))


def _net(manifest: Manifest, folder: Path, threads: int) -> FaceNet:
    network = Session((folder / manifest.embedder.file).read_bytes(), threads=threads, arena=True)
    if manifest.converter == "dlib":
        from .dlib.embedder import DlibFaceNet

        return DlibFaceNet(network)
    return PlanarFaceNet(network, manifest.embedder)
