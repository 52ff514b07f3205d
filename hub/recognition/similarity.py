"""How alike embeddings are, as scores: higher is closer."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = npt.NDArray[np.float32]
"""Shape (n, dimension)."""

COSINE = "cosine"
EUCLIDEAN = "euclidean"


def scores(probes: npt.NDArray[Any], gallery: npt.NDArray[Any], metric: str) -> npt.NDArray[np.float32]:
    """Shape (p, g) for probes (p, d) and gallery (g, d).

    "cosine" is the cosine, -1..1, and 0 with a zero vector; "euclidean" is 1 − distance, at most 1. A vector
    with an infinite or undefined component counts as zero, so that it matches nobody and spoils no other's
    score. Raises ValueError for any other metric.
    """
    return scores_of_prepared(prepared(probes, metric), prepared(gallery, metric), metric)


def scores_of_prepared(probes: Vectors, gallery: Vectors, metric: str) -> Vectors:
    """The same for vectors that `prepared` has made, which takes longer than comparing them."""
    products = probes @ gallery.T
    if metric == COSINE:
        return np.asarray(np.clip(products, -1, 1), np.float32)
    lengths = np.einsum("ij,ij->i", probes, probes)[:, None] + np.einsum("ij,ij->i", gallery, gallery)
    return np.asarray(1 - np.sqrt(np.maximum(lengths - 2 * products, 0)), np.float32)


def prepared(vectors: npt.NDArray[Any], metric: str) -> Vectors:
    """Float32 copies, scaled to unit length for "cosine"; what is not finite becomes zero.

    Raises ValueError for an unknown metric.
    """
    given = np.asarray(vectors, np.float32)
    finite = np.where(np.isfinite(given).all(axis=1, keepdims=True), given, np.float32(0))
    if metric == EUCLIDEAN:
        return finite
    if metric != COSINE:
        raise ValueError(f"unknown metric {metric!r}; use {COSINE!r} or {EUCLIDEAN!r}")
    lengths = np.linalg.norm(finite.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(np.divide(finite, lengths, out=np.zeros_like(finite, np.float64), where=lengths > 0), np.float32)
