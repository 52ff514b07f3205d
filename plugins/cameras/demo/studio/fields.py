"""Signed distance fields: shapes, and how they are joined and bent.

A point set is three float32 arrays of the same shape (x to the picture's right, y up, z towards the camera; one
unit is half a head's height). A field answers a distance for each point, negative inside; those of ellipsoids and
of bent space are estimates, which is why `march` takes shorter steps. Formulas: Inigo Quilez, "distance functions".
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Field: TypeAlias = npt.NDArray[np.float32]
Points: TypeAlias = tuple[Field, Field, Field]
Triple: TypeAlias = tuple[float, float, float]

_TINY = np.float32(1e-6)


def single(values: npt.ArrayLike) -> Field:
    """The values as float32."""
    return np.asarray(values, np.float32)


def moved(points: Points, by: Triple) -> Points:
    """The points as seen from `by`."""
    return points[0] - np.float32(by[0]), points[1] - np.float32(by[1]), points[2] - np.float32(by[2])


def picked(points: Points, mask: npt.NDArray[np.bool_]) -> Points:
    return points[0][mask], points[1][mask], points[2][mask]


def stepped(points: Points, direction: Points, reach: np.float32) -> Points:
    """The points moved by `reach` along their directions."""
    return points[0] + direction[0] * reach, points[1] + direction[1] * reach, points[2] + direction[2] * reach


def turned(points: Points, matrix: npt.NDArray[np.float32], pivot: Triple) -> Points:
    """The points in the space of something turned by `matrix` (3, 3) about `pivot`."""
    x, y, z = moved(points, pivot)
    m = matrix.T
    return (
        m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + np.float32(pivot[0]),
        m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + np.float32(pivot[1]),
        m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + np.float32(pivot[2]),
    )


def mirrored(points: Points) -> Points:
    """Both halves folded onto x ≥ 0."""
    return np.abs(points[0]), points[1], points[2]


def length(x: Field, y: Field, z: Field) -> Field:
    return single(np.sqrt(x * x + y * y + z * z))


def sphere(points: Points, centre: Triple, radius: float) -> Field:
    return length(*moved(points, centre)) - np.float32(radius)


def ellipsoid(points: Points, centre: Triple, radii: Triple) -> Field:
    x, y, z = moved(points, centre)
    a, b, c = (np.float32(radius) for radius in radii)
    x, y, z = x / a, y / b, z / c
    outer = length(x, y, z)
    inner = length(x / a, y / b, z / c)
    return single(outer * (outer - 1) / np.maximum(inner, _TINY))


def capsule(points: Points, start: Triple, end: Triple, first: float, last: float | None = None) -> Field:
    """A rod from `start` to `end` whose radius goes from `first` to `last`."""
    x, y, z = moved(points, start)
    dx, dy, dz = (np.float32(e - s) for s, e in zip(start, end, strict=True))
    along = np.clip((x * dx + y * dy + z * dz) / (dx * dx + dy * dy + dz * dz), 0, 1)
    radius = np.float32(first) + np.float32((first if last is None else last) - first) * along
    return single(length(x - dx * along, y - dy * along, z - dz * along) - radius)


def ring(points: Points, centre: Triple, across: tuple[float, float], thickness: float, square: float) -> Field:
    """A rim in the plane z = centre; `across` are its half axes, `square` goes from round (0) to square (1)."""
    x, y, z = moved(points, centre)
    x, y = single(np.abs(x) / np.float32(across[0])), single(np.abs(y) / np.float32(across[1]))
    power = np.float32(2 + 6 * square)
    out = (x**power + y**power) ** (1 / power)
    flat = single((out - 1) * np.float32(min(across)))
    return single(np.sqrt(flat * flat + z * z) - np.float32(thickness))


def join(one: Field, other: Field, soft: float) -> Field:
    """The union, its seam filled over a distance of `soft`."""
    h = np.maximum(np.float32(soft) - np.abs(one - other), 0) / np.float32(soft)
    return single(np.minimum(one, other) - h * h * np.float32(soft / 4))


def common(one: Field, other: Field, soft: float) -> Field:
    """The intersection, its edge rounded."""
    return -join(-one, -other, soft)


def without(one: Field, other: Field, soft: float) -> Field:
    """`one` with `other` taken away."""
    return common(one, -other, soft)


def ramp(value: Field, low: float, high: float) -> Field:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return single(t * t * (3 - 2 * t))


def bump(points: Points, centre: Triple, widths: Triple) -> Field:
    """A soft spot: 1 at `centre`, falling off over `widths`."""
    x, y, z = moved(points, centre)
    return single(np.exp(-((x / widths[0]) ** 2) - (y / widths[1]) ** 2 - (z / widths[2]) ** 2))


def noise(points: Points, scale: float, seed: int) -> Field:
    """Smooth value noise between 0 and 1 with a grain of 1/`scale` units."""
    cells, parts = [], []
    for value in points:
        scaled = value * np.float32(scale) + np.float32(64)
        cell = np.floor(scaled)
        part = scaled - cell
        cells.append(cell.astype(np.int64))
        parts.append(part * part * (3 - 2 * part))
    total = np.zeros_like(points[0])
    for corner in range(8):
        weight = np.ones_like(points[0])
        mixed = np.full(points[0].shape, seed * 0x9E3779B1, np.int64)
        for axis, prime in enumerate((73856093, 19349663, 83492791)):
            bit = corner >> axis & 1
            weight = weight * (parts[axis] if bit else 1 - parts[axis])
            mixed = mixed ^ ((cells[axis] + bit) * prime)
        mixed = (mixed ^ (mixed >> 13)) * 1274126177 & 0x7FFFFFFF
        total += weight * ((mixed >> 8 & 0xFFFF) / np.float32(65535)).astype(np.float32)
    return total
