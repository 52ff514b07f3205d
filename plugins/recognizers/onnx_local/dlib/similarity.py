"""Least-squares similarity transform between point sets: Umeyama, "Least-squares estimation of transformation
parameters between two point patterns" (IEEE PAMI 1991), equations 34 to 43, in closed form for the plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def similarity(
    source: npt.NDArray[Any], target: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rotation with scale (n, 2, 2) and shift (n, 2) that bring `source` (points, 2) closest to each of `target`
    (n, points, 2): point → rotation @ point + shift.

    A rotation by an angle with a scale is a complex number, and the best one is the complex regression of the
    centred targets on the centred sources. Mirror images are never chosen.
    """
    source = source.astype(np.float64)
    target = target.astype(np.float64)
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=1)
    x, y = (source - source_mean).T
    u, v = np.moveaxis(target - target_mean[:, None], -1, 0)
    variance = (x * x + y * y).sum()
    real = (u * x + v * y).sum(axis=1) / variance
    imaginary = (v * x - u * y).sum(axis=1) / variance
    rotation = np.stack([np.stack([real, -imaginary], -1), np.stack([imaginary, real], -1)], axis=1)
    return rotation, target_mean - rotation @ source_mean
