"""A person as distance fields: every part with its stuff, in the space of the turned head or of the body."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from .fields import (
    Field,
    Points,
    bump,
    capsule,
    common,
    ellipsoid,
    join,
    mirrored,
    moved,
    ramp,
    ring,
    single,
    sphere,
    without,
)
from .hair import hair, scarf
from .looks import Beard, Hair, Look, Pose

NECK = (0.0, -0.72, -0.18)
"""The pivot of nodding and turning."""
EYE_DEPTH = 0.545
EYE_WIDTH = 0.165
"""Half the length of the slit between the lids."""


class Stuff(IntEnum):
    SKIN = 0
    CLOTH = 1
    HAIR = 2
    EYE = 3
    BROW = 4
    RIM = 5
    SCARF = 6


@dataclass(frozen=True, slots=True)
class Face:
    """The measures of a look's face, in units."""

    width: float
    chin: float
    eye: tuple[float, float, float]
    eye_radius: float
    mouth: tuple[float, float, float]
    mouth_width: float
    nose_tip: tuple[float, float, float]

    @classmethod
    def of(cls, look: Look) -> Face:
        width = 1 + 0.06 * look.width
        return cls(
            width=width,
            chin=-0.97 - 0.07 * look.chin,
            eye=(0.285 + 0.025 * look.eye_gap, 0.03, EYE_DEPTH),
            eye_radius=0.168 + 0.012 * look.eye_size,
            mouth=(0.0, -0.565 - 0.035 * look.mouth_height, 0.735),
            mouth_width=0.235 + 0.03 * look.mouth_width,
            nose_tip=(0.0, -0.265 - 0.055 * look.nose_length, 0.93 + 0.05 * look.nose_depth),
        )


def pose_matrix(pose: Pose) -> npt.NDArray[np.float32]:
    """(3, 3), from the head's space to the camera's."""
    yaw, pitch, roll = (np.deg2rad(angle) for angle in (pose.yaw, -pose.pitch, -pose.roll))
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    around_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(around_z @ around_y @ around_x, np.float32)


def lifted(points: Points, face: Face, smile: float) -> Points:
    """Space bent so that a straight mouth smiles: its corners go up and back."""
    x, y, z = points
    reach = np.minimum(np.abs(x) / np.float32(face.mouth_width), 1.6)
    near = np.exp(-(((y - face.mouth[1]) / 0.22) ** 2)).astype(np.float32)
    bend = reach * reach * near
    return x, y - np.float32(0.075 * smile - 0.012) * bend, z + np.float32(0.06) * bend


def skull(points: Points, look: Look, face: Face, pose: Pose) -> Field:
    """Skin of the head without eyes: cranium, jaw, cheeks, nose, lips, lids, ears."""
    half = mirrored(points)
    w = face.width
    jaw = 1 + 0.12 * look.jaw
    solid = ellipsoid(points, (0, 0.33, -0.13), (0.735 * w, 0.72, 0.86))
    solid = join(solid, ellipsoid(points, (0, -0.08, 0.12), (0.645 * w, 0.80, 0.62)), 0.25)
    solid = join(solid, ellipsoid(points, (0, face.chin + 0.37, 0.10), (0.50 * w * jaw, 0.36, 0.52)), 0.22)
    solid = join(solid, sphere(points, (0, face.chin + 0.16, 0.47), 0.155 + 0.02 * look.jaw), 0.16)
    fat = 0.03 * look.cheeks + 0.03 * pose.smile
    solid = join(solid, sphere(half, (0.36 * w, -0.20 + 0.03 * pose.smile, 0.40), 0.235 + fat), 0.18)
    ridge = 0.015 * look.brow_ridge
    solid = join(solid, capsule(half, (0.12, 0.20, 0.645), (0.40, 0.19, 0.53), 0.075 + ridge), 0.14)
    solid = without(solid, sphere(half, (face.eye[0] + 0.01, face.eye[1] + 0.01, 0.79), 0.150), 0.12)
    solid = join(solid, nose(points, half, look, face), 0.11)
    solid = lids(solid, half, look, face, pose)
    solid = mouth(solid, points, look, face, pose)
    return solid if look.hair is Hair.SCARF else join(solid, ears(half, look, face), 0.05)


def nose(points: Points, half: Points, look: Look, face: Face) -> Field:
    tip = face.nose_tip
    wide = 1 + 0.18 * look.nose_width
    bend = (0.0, (0.14 + tip[1]) / 2, 0.79 + 0.02 * look.nose_depth + 0.03 * look.nose_bend)
    upper = capsule(points, (0, 0.20, 0.625), bend, 0.058, 0.060 * wide)
    lower = capsule(points, bend, (0, tip[1] + 0.02, tip[2] - 0.09), 0.060 * wide, 0.080 * wide)
    solid = join(upper, lower, 0.08)
    solid = join(solid, sphere(points, (0, tip[1], tip[2] - 0.095), 0.088 * wide), 0.06)
    wings = ellipsoid(half, (0.085 * wide, tip[1] - 0.030, tip[2] - 0.19), (0.058 * wide, 0.058, 0.085))
    solid = join(solid, wings, 0.06)
    nostrils = ellipsoid(half, (0.050 * wide, tip[1] - 0.092, tip[2] - 0.125), (0.026, 0.020, 0.040))
    return without(solid, nostrils, 0.03)


def eyeballs(half: Points, face: Face) -> Field:
    return sphere(half, face.eye, face.eye_radius)


def lids(solid: Field, half: Points, look: Look, face: Face, pose: Pose) -> Field:
    """The skin over the eyeballs with the slit between the lids."""
    cover = sphere(half, face.eye, face.eye_radius + 0.026)
    solid = join(solid, cover, 0.05)
    x, y, z = moved(half, face.eye)
    upper, lower = rims_of_lids(x, y, look, pose)
    slit = np.maximum(np.maximum(upper, lower), np.abs(x) - np.float32(EYE_WIDTH))
    slit = np.maximum(slit, np.float32(0.05) - z)
    return without(solid, slit, 0.018)


def rims_of_lids(x: Field, y: Field, look: Look, pose: Pose) -> tuple[Field, Field]:
    """How far above the upper and below the lower lid's rim points are, seen from the eye's middle."""
    opening = max(0.004, (0.098 + 0.016 * look.eye_size) * (1 - pose.blink) * (1 - 0.16 * pose.smile))
    along = x / np.float32(EYE_WIDTH)
    lift = np.float32(0.022 * look.eye_tilt + 0.008) * along
    bow = np.maximum(1 - along * along, 0)
    return y - lift - np.float32(opening) * np.sqrt(bow), lift - y - np.float32(opening * 0.72) * bow


def mouth(solid: Field, points: Points, look: Look, face: Face, pose: Pose) -> Field:
    bent = lifted(points, face, pose.smile)
    cx, cy, cz = face.mouth
    wide = face.mouth_width * (1 + 0.16 * pose.smile)
    full = 0.048 + 0.014 * look.lips - 0.008 * pose.smile
    solid = join(solid, ellipsoid(bent, (cx, cy - 0.02, cz - 0.20), (wide * 1.25, 0.24, 0.20)), 0.16)
    upper = ellipsoid(mirrored(bent), (0.055, cy + full * 0.75, cz - 0.035), (wide * 0.74, full, 0.058))
    lower = ellipsoid(bent, (cx, cy - full * 0.95, cz - 0.035), (wide * 0.76, full * 1.2, 0.066))
    solid = join(solid, join(upper, lower, 0.012), 0.028)
    line = ellipsoid(bent, (cx, cy, cz), (wide, 0.011, 0.12))
    return without(solid, line, 0.014)


def ears(half: Points, look: Look, face: Face) -> Field:
    size = 1 + 0.12 * look.ears
    x = 0.70 * face.width
    shell = ellipsoid(half, (x + 0.03, -0.03, -0.10), (0.075 * size, 0.235 * size, 0.15 * size))
    bowl = ellipsoid(half, (x + 0.09, -0.01, -0.04), (0.055, 0.145 * size, 0.085 * size))
    return without(shell, bowl, 0.03)


def brows(half: Points, skin: Field, look: Look, face: Face, pose: Pose) -> Field:
    """A strip of the skin's own surface, a little raised."""
    height = 0.250 + 0.025 * look.brow_height + 0.05 * pose.brows
    thick = 0.030 + 0.010 * look.brow_weight
    arch = 0.035 + 0.022 * look.brow_arch
    flat = half[0], half[1], np.zeros_like(half[0])
    middle = (face.eye[0] + 0.03, height + arch, 0.0)
    inner = capsule(flat, (face.eye[0] - 0.165, height, 0.0), middle, thick, thick * 0.95)
    outer = capsule(flat, middle, (face.eye[0] + 0.200, height - 0.005, 0.0), thick * 0.95, thick * 0.40)
    strip = common(join(inner, outer, 0.02), skin - np.float32(0.016), 0.012)
    return single(np.maximum(strip, np.float32(0.3) - half[2]))


def glasses(half: Points, look: Look, face: Face) -> Field:
    assert look.glasses is not None
    centre = (face.eye[0] + 0.005, face.eye[1] - 0.015, 0.80)
    rims = ring(half, centre, (0.225, 0.180), 0.017, look.glasses)
    bridge = capsule(half, (0, centre[1] + 0.05, 0.83), (centre[0] - 0.215, centre[1] + 0.04, 0.80), 0.016)
    side = capsule(half, (centre[0] + 0.225, centre[1] + 0.04, 0.79), (0.70 * face.width, 0.06, 0.0), 0.016)
    return single(np.minimum(np.minimum(rims, bridge), side))


def beard(points: Points, look: Look, face: Face) -> Field:
    """Where the beard grows, 0 to 1."""
    half = mirrored(points)
    x, y, z = half
    wide = face.mouth_width
    droop = y - np.float32(face.mouth[1] + 0.130) + np.float32(1.1) * x * x
    lip = ramp(-np.abs(droop), -0.075, -0.03) * ramp(-x, -wide - 0.10, -wide - 0.01)
    chin = bump(half, (0, face.chin + 0.17, 0.50), (0.20, 0.20, 0.5))
    lips = bump(half, (0, face.mouth[1] - 0.005, face.mouth[2]), (wide * 0.95, 0.085, 0.5))
    match look.beard:
        case Beard.NONE:
            return np.zeros_like(x)
        case Beard.MOUSTACHE:
            grown = lip
        case Beard.GOATEE:
            grown = np.maximum(lip, np.clip(chin * 1.8, 0, 1))
        case _:
            edge = -0.30 + 0.55 * np.clip((x - 0.30) / 0.42, 0, 1) ** 2 - 0.22 * np.clip(1 - x / 0.32, 0, 1)
            jaw = ramp(edge.astype(np.float32) - y, -0.02, 0.10) * ramp(z, -0.22, -0.02)
            grown = np.maximum(lip, jaw)
    front = ramp(z, 0.0, 0.15) if look.beard is not Beard.FULL else np.ones_like(z)
    return single(np.clip(grown - 1.4 * lips, 0, 1) * front)


def head(points: Points, look: Look, pose: Pose) -> list[tuple[Stuff, Field]]:
    """The parts of the head, in its own space."""
    face = Face.of(look)
    half = mirrored(points)
    skin = skull(points, look, face, pose)
    if look.beard is Beard.FULL:
        skin = skin - np.float32(0.055) * beard(points, look, face)
    elif look.beard in (Beard.MOUSTACHE, Beard.GOATEE):
        skin = skin - np.float32(0.022) * beard(points, look, face)
    parts = [
        (Stuff.SKIN, skin),
        (Stuff.EYE, eyeballs(half, face)),
        (Stuff.BROW, brows(half, skin, look, face, pose)),
    ]
    if look.glasses is not None:
        parts.append((Stuff.RIM, glasses(half, look, face)))
    if look.hair is Hair.SCARF:
        parts.append((Stuff.SCARF, scarf(points, look)))
    elif look.hair is not Hair.BALD:
        parts.append((Stuff.HAIR, hair(points, look)))
    return parts


def body(points: Points, look: Look) -> list[tuple[Stuff, Field]]:
    """Neck, shoulders and arms, which do not turn with the head."""
    half = mirrored(points)
    broad = 1 + 0.08 * look.shoulders
    neck = capsule(points, (0, -0.60, -0.20), (0, -1.75, -0.30), 0.33 * (0.97 + 0.06 * look.shoulders), 0.37)
    trunk = ellipsoid(points, (0, -3.3, -0.30), (1.22 * broad, 1.95, 0.66))
    yoke = capsule(half, (0.0, -1.56, -0.32), (1.18 * broad, -1.98, -0.34), 0.30, 0.33)
    arm = capsule(half, (1.22 * broad, -2.02, -0.34), (1.46 * broad, -3.5, -0.30), 0.335, 0.28)
    lower = capsule(half, (1.46 * broad, -3.5, -0.30), (1.34 * broad, -4.8, -0.05), 0.28, 0.22)
    cloth = join(join(trunk, yoke, 0.4), join(arm, lower, 0.15), 0.22)
    collar = capsule(points, (0, -1.42, -0.26), (0, -1.58, -0.28), 0.46, 0.52)
    cloth = join(cloth, collar, 0.10)
    hole = ellipsoid(points, (0, -1.26, 0.10), (0.36, 0.34, 0.62))
    cloth = without(cloth, hole, 0.03)
    folds = np.sin(points[0] * 9 + np.sin(points[1] * 5) * 1.5) * np.float32(0.006)
    return [(Stuff.SKIN, neck), (Stuff.CLOTH, cloth + folds * ramp(-points[1], 1.7, 2.4))]
