"""Detections as bytes and back: what the inbox keeps of a camera that recognises itself. No pickle anywhere."""

from __future__ import annotations

import io
import zipfile
from dataclasses import astuple
from typing import Any

import numpy as np
import numpy.typing as npt

from hub.plugin import Box, Detections, Face, Quality


class Garbled(ValueError):
    """The bytes are not what `pack` wrote."""


def pack(detections: Detections) -> bytes:
    """The faces and the model's id as an npz. Raises ValueError for embeddings of different dimensions."""
    faces = detections.faces
    dimensions = {face.embedding.shape for face in faces}
    if len(dimensions) > 1:
        raise ValueError(f"embeddings of one frame differ in shape: {sorted(dimensions)}")
    buffer = io.BytesIO()
    np.savez(
        buffer,
        model=np.frombuffer(detections.model_id.encode(), np.uint8),
        boxes=_table([astuple(face.box) for face in faces], 4),
        scores=np.array([face.score for face in faces], np.float64),
        qualities=_table([astuple(face.quality) for face in faces], 5),
        embeddings=np.stack([face.embedding for face in faces]).astype(np.float32) if faces else np.zeros((0, 0)),
    )
    return buffer.getvalue()


def unpack(data: bytes) -> tuple[str, tuple[Face, ...]]:
    """The model's id and the faces. Raises Garbled."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            model = arrays["model"].tobytes().decode()
            columns = zip(
                arrays["boxes"].tolist(),
                arrays["scores"].tolist(),
                arrays["qualities"].tolist(),
                arrays["embeddings"].astype(np.float32),
                strict=True,
            )
            faces = tuple(Face(Box(*box), score, Quality(*quality), vector) for box, score, quality, vector in columns)
    except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise Garbled(f"not a list of faces: {type(error).__name__}") from None
    return model, faces


def _table(rows: list[tuple[Any, ...]], width: int) -> npt.NDArray[np.float64]:
    return np.array(rows, np.float64).reshape(len(rows), width)
