"""What surfaces are made of: skin with blush, lips and stubble, irises, hair, cloth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .anatomy import Face, Stuff, lifted, rims_of_lids
from .fields import Field, Points, bump, mirrored, noise, ramp, single
from .looks import Beard, Hair, Look, Pose


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """`colour` (n, 3) in linear light; `gloss` (n,) and its `sharpness` (n,)."""

    colour: Field
    gloss: Field
    sharpness: Field


def paint(
    inner: Points,
    points: Points,
    kinds: npt.NDArray[np.int64],
    look: Look,
    pose: Pose,
    face: Face,
    beard: Callable[[Points, Look, Face], Field],
) -> Surface:
    """The surface at each point: `inner` in the head's space, `points` in the body's."""
    count = len(kinds)
    colour = np.zeros((count, 3), np.float32)
    gloss = np.zeros(count, np.float32)
    sharpness = np.full(count, 20, np.float32)
    for kind in Stuff:
        mask = kinds == kind
        if not mask.any():
            continue
        here = (inner[0][mask], inner[1][mask], inner[2][mask])
        if kind is Stuff.SKIN:
            colour[mask], gloss[mask] = _skin(here, look, pose, face, beard)
        elif kind is Stuff.EYE:
            colour[mask] = _eye(here, look, pose, face)
            gloss[mask], sharpness[mask] = 0.75, 260
        elif kind in (Stuff.HAIR, Stuff.BROW):
            colour[mask] = _hair(here, look, kind)
            gloss[mask], sharpness[mask] = (0.045 if kind is Stuff.HAIR else 0.0), 14
        elif kind is Stuff.RIM:
            colour[mask] = look.rims
            gloss[mask], sharpness[mask] = 0.35, 60
        elif kind is Stuff.SCARF:
            colour[mask] = _cloth(here, look.scarf, 0)
        else:
            colour[mask] = _cloth((points[0][mask], points[1][mask], points[2][mask]), look.clothes, look.seed)
    return Surface(colour, gloss, sharpness)


def _mix(colour: Field, other: tuple[float, float, float] | Field, share: Field) -> Field:
    return colour + (np.asarray(other, np.float32) - colour) * share[:, None]


def _skin(
    points: Points, look: Look, pose: Pose, face: Face, beard: Callable[[Points, Look, Face], Field]
) -> tuple[Field, Field]:
    half = mirrored(points)
    x, y, _ = points
    base = np.asarray(look.skin, np.float32)
    colour = np.repeat(base[None], x.size, axis=0)
    colour *= (1 + 0.05 * (noise(points, 5, look.seed) - 0.5) + 0.05 * (noise(points, 26, look.seed) - 0.5))[:, None]
    red = base * np.array((1.02, 0.62, 0.58), np.float32)
    colour = _mix(colour, red, 0.42 * look.blush * bump(half, (0.42, -0.27, 0.52), (0.22, 0.17, 0.35)))
    colour = _mix(colour, red, 0.30 * look.blush * bump(points, face.nose_tip, (0.13, 0.13, 0.25)))
    colour = _mix(colour, red, 0.5 * bump(half, (0.72 * face.width, 0, -0.1), (0.10, 0.3, 0.25)))
    colour = _mix(colour, base * np.float32(0.72), 0.5 * bump(half, (face.eye[0], 0.0, 0.66), (0.19, 0.12, 0.2)))
    if look.freckles:
        spots = ramp(noise(points, 34, look.seed + 3), 0.70, 0.82) * bump(half, (0.22, -0.16, 0.66), (0.34, 0.20, 0.4))
        colour = _mix(colour, base * np.array((0.62, 0.45, 0.35), np.float32), look.freckles * spots)
    upper, lower = rims_of_lids(half[0] - np.float32(face.eye[0]), y - np.float32(face.eye[1]), look, pose)
    at_eye = ramp(-np.abs(half[0] - np.float32(face.eye[0])), -0.20, -0.16) * ramp(points[2], 0.45, 0.55)
    lash = np.exp(-(((upper - 0.008) / 0.016) ** 2)) * (lower < 0.02) * at_eye
    crease = np.exp(-(((upper - 0.062) / 0.012) ** 2)) * at_eye
    colour = _mix(colour, base * np.float32(0.55), 0.5 * crease)
    colour = _mix(colour, np.asarray(look.hair_colour, np.float32) * np.float32(0.25), 0.88 * lash)
    bent = lifted(points, face, pose.smile)
    wide = face.mouth_width * (1 + 0.16 * pose.smile)
    full = 0.048 + 0.014 * look.lips - 0.008 * pose.smile
    up = bent[1] - np.float32(face.mouth[1])
    across = single(np.abs(bent[0]) / np.float32(wide))
    bow = single(np.sqrt(np.clip(1 - across * across, 0, 1)))
    dip = single(0.30 * np.exp(-((bent[0] / 0.045) ** 2)))
    upper_lip = ramp(single(full * (1.75 - dip) * bow - up), 0, 0.018)
    lower_lip = ramp(single(up + full * 2 * bow), 0, 0.022)
    lips = upper_lip * lower_lip * ramp(-across, -1.02, -0.90) * ramp(points[2], 0.42, 0.52)
    tint = base * np.array((0.80, 0.36, 0.38), np.float32) + np.array((0.030, 0.0, 0.004), np.float32)
    colour = _mix(colour, tint, 0.85 * lips)
    colour = _mix(colour, tint * np.float32(0.22), 0.9 * np.exp(-((up / 0.013) ** 2)) * (lips > 0.02))
    nostril = bump(half, (0.060, face.nose_tip[1] - 0.10, face.nose_tip[2] - 0.14), (0.036, 0.030, 0.07))
    colour = _mix(colour, base * np.float32(0.12), 0.8 * nostril)
    grown = beard(points, look, face)
    share = {Beard.NONE: 0.0, Beard.STUBBLE: 0.42}.get(look.beard, 0.93)
    hairs = noise((points[0] * 2.2, points[1], points[2]), 30, look.seed + 5)
    dark = np.asarray(look.hair_colour, np.float32)[None] * (0.7 + 0.6 * hairs)[:, None] + np.float32(0.004)
    colour = _mix(colour, dark.astype(np.float32), share * grown * (0.75 + 0.25 * hairs))
    if look.hair is Hair.CROP or look.hair is Hair.BALD:
        over = ramp(np.float32(0.69) * (y - 0.56 + 0.3 * x * x) + 0.72 * (0.58 - points[2]), -0.05, 0.14)
        over = over * ramp(y, -0.35, 0.2) * ramp(-np.abs(x), -0.80, -0.70)
        shade = 0.25 if look.hair is Hair.BALD else 0.8
        colour = _mix(colour, np.asarray(look.hair_colour, np.float32), shade * over)
    gloss = (0.055 + 0.10 * lips) * (1 - 0.85 * share * grown)
    return colour, gloss.astype(np.float32)


def _eye(points: Points, look: Look, pose: Pose, face: Face) -> Field:
    x, y, z = points
    side = np.sign(x)
    across = (np.abs(x) - np.float32(face.eye[0])) * side
    dx = across - np.float32(0.045 * pose.gaze[0])
    dy = y - np.float32(face.eye[1] + 0.008 + 0.03 * pose.gaze[1])
    from_middle = np.sqrt(dx * dx + dy * dy)
    white = np.array((0.70, 0.68, 0.66), np.float32)
    colour = np.repeat(white[None], x.size, axis=0)
    iris = np.asarray(look.iris, np.float32)
    rays = 0.75 + 0.5 * noise((np.arctan2(dy, dx) * 3, from_middle * 8, z * 0), 4, look.seed + 9)
    glow = ramp(-dy, -0.01, 0.06) * 0.7 + 0.7
    colour = _mix(colour, (iris[None] * (rays * glow)[:, None]).astype(np.float32), ramp(-from_middle, -0.088, -0.080))
    edge = np.exp(-(((from_middle - 0.081) / 0.009) ** 2)).astype(np.float32)
    colour = _mix(colour, iris * np.float32(0.25), 0.8 * edge)
    colour = _mix(colour, (0.004, 0.004, 0.005), ramp(-from_middle, -0.041, -0.035))
    glint = np.exp(-(((dx + 0.020 * np.sign(-pose.key or -1)) / 0.011) ** 2) - ((dy - 0.026) / 0.012) ** 2)
    colour = _mix(colour, (1.0, 1.0, 1.0), glint.astype(np.float32) * 0.9)
    shade = ramp(y - np.float32(face.eye[1] + 0.02), 0.0, 0.07)
    return colour * (1 - 0.45 * shade)[:, None]


def _hair(points: Points, look: Look, kind: Stuff) -> Field:
    x, y, z = points
    angle = np.arctan2(x, z + np.float32(0.25))
    strand = noise((angle * 6, y * 0.6, z * 0.2), 7, look.seed + 11)
    fine = noise((angle * 14, y * 0.8, z * 0.2), 12, look.seed + 12)
    if look.hair in (Hair.CURLS, Hair.AFRO):
        strand = fine = noise(points, 16, look.seed + 11)
    shade = 0.62 + 0.5 * strand + 0.34 * fine
    if kind is Stuff.BROW:
        shade = 0.8 + 0.3 * fine
    return (np.asarray(look.hair_colour, np.float32)[None] * shade[:, None] + np.float32(0.003)).astype(np.float32)


def _cloth(points: Points, colour: tuple[float, float, float], seed: int) -> Field:
    weave = 0.93 + 0.14 * (noise(points, 34, seed) - 0.5)
    shade = np.asarray(colour, np.float32)[None] * weave[:, None]
    if seed % 3 == 1:
        stripes = ramp(np.sin(points[1] * 13), 0.2, 0.5)
        shade = _mix(shade.astype(np.float32), tuple(0.35 * c + 0.45 for c in colour), 0.8 * stripes)  # type: ignore[arg-type]
    return shade.astype(np.float32)
