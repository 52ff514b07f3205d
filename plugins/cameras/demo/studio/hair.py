"""Hair and head scarves: a shell around the skull, cut along the hairline, and what hangs from it."""

from __future__ import annotations

import numpy as np

from .fields import Field, Points, capsule, common, ellipsoid, join, mirrored, single, sphere, without
from .looks import Hair, Look

HAIRLINE = 0.60
"""Its height above the forehead, in units."""


def hair(points: Points, look: Look) -> Field:
    x, y, z = points
    half = mirrored(points)
    volume = look.hair_volume
    thick = {
        Hair.CROP: 0.045,
        Hair.SHORT: 0.10,
        Hair.QUIFF: 0.09,
        Hair.FRINGE: 0.10,
        Hair.BOB: 0.12,
        Hair.LONG: 0.10,
        Hair.BUN: 0.06,
        Hair.CURLS: 0.17,
        Hair.AFRO: 0.38,
    }[look.hair] * (1 + 0.25 * volume)
    shell = ellipsoid(points, (0, 0.34, -0.14), (0.735 + thick, 0.70 + thick, 0.85 + thick))
    line = HAIRLINE + (0.05 if look.hair is Hair.BUN else 0.0)
    # A tilted plane from the forehead to the nape, bent around the temples and the parting.
    front = np.float32(line) + np.float32(0.10) * look.parting * x - np.float32(0.55) * np.maximum(x * x - 0.12, 0)
    if look.hair is Hair.FRINGE:
        front = front - np.float32(0.26) * np.clip(1.25 - np.abs(x) * 1.2, 0, 1)
    plane = np.float32(0.69) * (front - y) + np.float32(0.72) * (z - np.float32(0.58))
    if look.hair in (Hair.BOB, Hair.LONG, Hair.AFRO):
        plane = plane - np.float32(0.12) * np.clip(np.abs(x) - 0.45, 0, 1)
    solid = common(shell, plane, 0.08)
    match look.hair:
        case Hair.QUIFF:
            tuft = ellipsoid(points, (0.10 * look.parting, 0.93, 0.42), (0.46, 0.20 + 0.03 * volume, 0.32))
            solid = join(solid, tuft, 0.15)
        case Hair.BUN:
            solid = join(solid, sphere(points, (0, 1.10, -0.42), 0.30 + 0.04 * volume), 0.08)
        case Hair.BOB:
            solid = join(solid, _curtain(half, -0.62 + 0.1 * volume), 0.15)
        case Hair.LONG:
            solid = join(solid, _curtain(half, -1.55 + 0.2 * volume), 0.15)
            solid = join(solid, ellipsoid(points, (0, -0.75, -0.52), (0.72, 1.15, 0.36)), 0.2)
        case _:
            pass
    return solid - _strands(points, look)


def _curtain(half: Points, lowest: float) -> Field:
    """What hangs down at the sides, behind the cheeks."""
    side = capsule(half, (0.70, 0.42, -0.18), (0.74, lowest, -0.12), 0.17, 0.19)
    back = ellipsoid(half, (0, (0.4 + lowest) / 2, -0.42), (0.80, (0.9 - lowest) / 2, 0.50))
    return without(join(side, back, 0.15), ellipsoid(half, (0, -0.15, 0.62), (0.66, 0.95, 0.72)), 0.05)


def _strands(points: Points, look: Look) -> Field:
    x, y, z = points
    if look.hair in (Hair.CURLS, Hair.AFRO):
        grain = np.float32(13 if look.hair is Hair.CURLS else 24)
        depth = np.float32(0.045 if look.hair is Hair.CURLS else 0.022)
        curl = np.sin(x * grain + look.seed) * np.sin(y * grain + 1) * np.sin(z * grain + 2)
        return single(curl * depth)
    angle = np.arctan2(x - np.float32(0.2 * look.parting), z + np.float32(0.25))
    strand = np.sin(angle * 46 + np.sin(y * 6) * 1.5) * np.sin(angle * 17 + y * 4 + 1)
    return single(strand * np.float32(0.013))


def scarf(points: Points, look: Look) -> Field:
    """A cloth around head and neck that leaves the face free."""
    cover = ellipsoid(points, (0, 0.30, -0.14), (0.83, 0.86, 0.96))
    throat = capsule(points, (0, -0.55, -0.12), (0, -1.55, -0.22), 0.66, 0.78)
    solid = join(cover, throat, 0.35)
    opening = ellipsoid(points, (0, -0.16, 0.75), (0.545, 0.80 + 0.02 * look.hair_volume, 0.62))
    solid = without(solid, opening, 0.05)
    x, y, _ = points
    folds = np.sin(y * 8 + np.abs(x) * 7) * np.float32(0.012)
    return single(solid - folds * np.clip(-y, 0, 1))
