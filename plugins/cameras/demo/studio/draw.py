"""Pictures of people: rays marched to their distance fields, then light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .anatomy import NECK, Face, Stuff, beard, body, head, pose_matrix
from .colours import paint
from .fields import Field, Points, join, length, moved, picked, single, stepped, turned
from .looks import Look, Pose

DISTANCE = 9.0
"""From the camera to the head, in units: a portrait lens."""
STEPS = 56
CLOSE = np.float32(0.004)
FAR = np.float32(12.0)
EYE_LEVEL = np.float32(-0.1)
COARSE = 4
BEFORE = 0.4
"""Units: glasses stand this far before the face, at most."""
RAYS = 1 << 14
"""Rays marched together: their arrays fit the processor's cache."""
AROUND_HEAD = (0.0, -0.25, -0.1), 1.75
"""A ball that holds the head with its hair."""


@dataclass(frozen=True, slots=True)
class View:
    """What is in the picture: `centre` (x, y) in units, `height` in units, `pixels` (width, height)."""

    centre: tuple[float, float] = (0.0, -0.15)
    height: float = 3.1
    pixels: tuple[int, int] = (160, 160)


def draw(look: Look, pose: Pose, view: View, smooth: int = 2) -> npt.NDArray[np.uint8]:
    """Shape (height, width, 4): sRGB and coverage. Each pixel is the mean of `smooth`² rays."""
    wide, high = (side * smooth for side in view.pixels)
    unit = np.float32(view.height / high)
    columns = (np.arange(wide, dtype=np.float32) - np.float32((wide - 1) / 2)) * unit
    rows = np.float32(view.centre[1]) - (np.arange(high, dtype=np.float32) - np.float32((high - 1) / 2)) * np.float32(
        unit
    )
    grid_x, grid_y = np.meshgrid(columns + np.float32(view.centre[0]), rows)
    start = _starts(grid_x, grid_y, look, pose)
    x, y, t = grid_x.ravel(), grid_y.ravel(), start.ravel()
    lit = np.zeros((x.size, 4), np.float32)
    reached = np.flatnonzero(np.isfinite(t))
    for first in range(0, reached.size, RAYS):
        part = reached[first : first + RAYS]
        lit[part] = _lit(x[part], y[part], t[part], look, pose)
    pixels = lit.reshape(view.pixels[1], smooth, view.pixels[0], smooth, 4).mean(axis=(1, 3))
    coverage = pixels[..., 3:]
    colour = pixels[..., :3] / np.maximum(coverage, 1e-4)
    encoded = np.concatenate([srgb(colour), coverage], axis=-1)
    return np.asarray(np.rint(np.clip(encoded, 0, 1) * 255), np.uint8)


def srgb(light: Field) -> Field:
    """Linear light as sRGB values, IEC 61966-2-1."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def _starts(x: Field, y: Field, look: Look, pose: Pose) -> Field:
    """How far each ray can safely go before it is marched in earnest, infinite for those that meet nothing.

    Every fourth ray of every fourth row is marched first; rays begin a little before what their neighbours met.
    """
    few_x, few_y = x[::COARSE, ::COARSE], y[::COARSE, ::COARSE]
    begin = np.full(few_x.size, DISTANCE - 1.9, np.float32)
    met = np.full(few_x.size, np.inf, np.float32)
    for first in range(0, few_x.size, RAYS):
        part = slice(first, first + RAYS)
        t, hit = _march(few_x.ravel()[part], few_y.ravel()[part], begin[part], look, pose)
        met[part] = np.where(hit, t, np.inf)
    padded = np.pad(met.reshape(few_x.shape), 1, constant_values=np.inf)
    high, wide = few_x.shape
    nearest = np.minimum.reduce([padded[dy : dy + high, dx : dx + wide] for dy in range(3) for dx in range(3)])
    fine: Field = np.repeat(np.repeat(nearest, COARSE, 0), COARSE, 1)[: x.shape[0], : x.shape[1]]
    return fine - np.float32(BEFORE)


def _march(x: Field, y: Field, start: Field, look: Look, pose: Pose) -> tuple[Field, npt.NDArray[np.bool_]]:
    """How far rays from `start` on travel, and which of them hit something."""
    ray = _towards(x, y)
    travelled = start.copy()
    alive = np.arange(x.size)
    hit = np.zeros(x.size, np.bool_)
    for _ in range(STEPS):
        t = travelled[alive]
        near = distance(_along((ray[0][alive], ray[1][alive], ray[2][alive]), t), look, pose)
        landed = near < CLOSE
        hit[alive[landed]] = True
        travelled[alive] = t + near * np.float32(0.82)
        alive = alive[~landed & (travelled[alive] < FAR)]
        if not alive.size:
            break
    return travelled, hit


def _towards(x: Field, y: Field) -> Points:
    """Unit rays from the camera through points of the plane z = 0."""
    dy, dz = y - EYE_LEVEL, np.full_like(x, -DISTANCE)
    size = length(x, dy, dz)
    return x / size, dy / size, dz / size


def _along(ray: Points, t: Field) -> Points:
    return ray[0] * t, EYE_LEVEL + ray[1] * t, np.float32(DISTANCE) + ray[2] * t


def _lit(x: Field, y: Field, start: Field, look: Look, pose: Pose) -> Field:
    """(rays, 4): linear light times coverage, and coverage."""
    t, hit = _march(x, y, start, look, pose)
    result = np.zeros((x.size, 4), np.float32)
    if hit.any():
        dx, dy, dz = _towards(x, y)
        ray = dx[hit], dy[hit], dz[hit]
        result[hit, :3] = _shade(_along(ray, t[hit]), ray, look, pose)
        result[hit, 3] = 1
    return result


def parts_at(points: Points, look: Look, pose: Pose) -> tuple[list[tuple[Stuff, Field]], Points]:
    """Every part's distance, and the points in the head's space."""
    inner = turned(points, pose_matrix(pose), NECK)
    (_, skin), *rest = head(inner, look, pose)
    (_, neck), *dressed = body(points, look)
    return [(Stuff.SKIN, join(skin, neck, 0.16)), *rest, *dressed], inner


def distance(points: Points, look: Look, pose: Pose) -> Field:
    """To whatever is nearest; where the head is far, its ball has to do."""
    centre, radius = AROUND_HEAD
    away = length(points[0], points[1] - np.float32(centre[1]), points[2] - np.float32(centre[2])) - np.float32(radius)
    close = away < 0.15
    found = np.maximum(away, np.float32(0.1))
    low = points[1] < -0.95
    if (only_body := low & ~close).any():
        dressed = body(picked(points, only_body), look)
        found[only_body] = np.minimum(found[only_body], np.minimum.reduce([field for _, field in dressed]))
    if close.any():
        parts, _ = parts_at(picked(points, close), look, pose)
        found[close] = np.minimum.reduce([field for _, field in parts])
    return single(found)


def _shade(points: Points, ray: Points, look: Look, pose: Pose) -> Field:
    """Linear light of surface points."""
    step = 0.006
    normal = [np.zeros_like(points[0]) for _ in range(3)]
    for signs in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        field = distance(moved(points, (-step * signs[0], -step * signs[1], -step * signs[2])), look, pose)
        for axis, sign in enumerate(signs):
            normal[axis] += np.float32(sign) * field
    size = np.maximum(length(*normal), np.float32(1e-6))
    nx, ny, nz = (single(axis / size) for axis in normal)

    parts, inner = parts_at(points, look, pose)
    stuff = np.argmin(np.stack([field for _, field in parts]), axis=0)
    kinds = np.array([kind for kind, _ in parts])[stuff]
    surface = paint(inner, points, kinds, look, pose, Face.of(look), beard)

    key = np.array((0.62 * np.sign(pose.key) * abs(pose.key) ** 0.5 or 0.05, 0.55, 0.75), np.float32)
    key /= np.linalg.norm(key)
    fill = np.array((-key[0] * 0.9, 0.1, 0.6), np.float32)
    fill /= np.linalg.norm(fill)
    open_sky = _openness(points, (nx, ny, nz), look, pose)
    shadow = _shadow(points, (nx, ny, nz), key, look, pose)
    wrap = np.float32(0.28)
    towards = np.clip((nx * key[0] + ny * key[1] + nz * key[2] + wrap) / (1 + wrap), 0, 1) * (0.35 + 0.65 * shadow)
    softly = np.clip(nx * fill[0] + ny * fill[1] + nz * fill[2], 0, 1)
    sky = (0.6 + 0.4 * ny) * open_sky
    light = (
        towards[:, None] * np.array((1.02, 0.97, 0.90), np.float32) * 0.92
        + softly[:, None] * np.array((0.80, 0.90, 1.0), np.float32) * 0.20 * open_sky[:, None]
        + sky[:, None] * np.array((0.88, 0.94, 1.0), np.float32) * 0.36
    )
    half = key[0] - ray[0], key[1] - ray[1], key[2] - ray[2]
    shine = np.clip((nx * half[0] + ny * half[1] + nz * half[2]) / length(*half), 0, 1)
    gloss = surface.gloss * shine**surface.sharpness * (0.2 + 0.8 * shadow)
    rim = np.clip(1 + nx * ray[0] + ny * ray[1] + nz * ray[2], 0, 1) ** 3 * open_sky * 0.10
    lit = surface.colour * light * np.float32(pose.light) + gloss[:, None] + (rim[:, None] * surface.colour)
    return single(lit)


def _openness(points: Points, normal: Points, look: Look, pose: Pose) -> Field:
    """How much of the sky a surface point sees: ambient occlusion from three probes along the normal."""
    closed = np.zeros_like(points[0])
    for reach, weight in ((0.06, 1.0), (0.16, 0.7), (0.34, 0.45)):
        near = distance(stepped(points, normal, np.float32(reach)), look, pose)
        closed += np.float32(weight / reach) * np.clip(reach - near, 0, reach)
    return single(np.clip(1 - closed * np.float32(0.42), 0.12, 1))


def _shadow(points: Points, normal: Points, key: npt.NDArray[np.float32], look: Look, pose: Pose) -> Field:
    """How much of the main light arrives, its edge soft."""
    off = stepped(points, normal, np.float32(0.03))
    arrives = np.ones_like(points[0])
    reach = np.full_like(points[0], 0.05)
    for _ in range(10):
        near = distance((off[0] + key[0] * reach, off[1] + key[1] * reach, off[2] + key[2] * reach), look, pose)
        arrives = np.minimum(arrives, np.clip(0.5 + 7 * near / reach, 0, 1))
        reach = reach + np.clip(near, 0.05, 0.3)
    return single(arrives)
