"""How well a face can be recognised: size, sharpness and pose.

Pose assumes an average head far from the camera (scaled orthographic projection) that nods and then turns to the
side. In units of the distance of its eyes' centres, from the point between them, x to the picture's right, y down
and z towards the camera, its nose is at (0, y, z) and its mouth at (0, y', z'). With the eye line turned level, a
picture shows

    eye distance  cos(yaw)
    nose          ((y sin(pitch) + z cos(pitch)) sin(yaw), y cos(pitch) − z sin(pitch)), the mouth likewise

so that the ratio of the nose's drop to the mouth's gives pitch (and a long face matters little), and then the
nose's sideways shift gives yaw. Without a mouth yaw is had as of a level head, and pitch from the nose's drop alone.
People differ: expect errors of about 10 degrees, 20 for pitch without a mouth, and use the angles as a gate only.
"""

from __future__ import annotations

from math import acos, atan2, copysign, cos, degrees, hypot, pi, sin
from typing import Final

import cv2

from hub.plugin import Box, Pixels, Quality

from .stages import Points

NOSE_TIP: Final = (0.55, 0.45)
NOSE_BASE: Final = (0.77, 0.29)
MOUTH: Final = (0.95, 0.10)
"""y and z. Heights are medians over near-frontal press photographs; depths follow the usual anthropometric tables
(eyes 63 mm apart; nose tip 28, its base 18 and the corners of the mouth 6 mm in front of them)."""


def quality(box: Box, chip: Pixels, points: Points) -> Quality:
    """`box` in original pixels, `chip` the aligned face, `points` as `stages.Points` in any one scale."""
    yaw, pitch, roll = pose(points)
    return Quality(size=min(box.w, box.h), sharpness=sharpness(chip), yaw=yaw, pitch=pitch, roll=roll)


def sharpness(chip: Pixels) -> float:
    """Variance of the Laplacian of the grey chip, in squared 8-bit levels (Pech-Pacheco et al., 2000)."""
    grey = cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def pose(points: Points) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees, as `Quality` has them; pitch stays within ±90."""
    (left_x, left_y), (right_x, right_y), (nose_x, nose_y) = (tuple(map(float, point)) for point in points[:3])
    apart = hypot(right_x - left_x, right_y - left_y)
    if not apart:
        return 0.0, 0.0, 0.0
    roll = atan2(right_y - left_y, right_x - left_x)
    origin = (left_x + right_x) / 2, (left_y + right_y) / 2

    def level(x: float, y: float) -> tuple[float, float]:
        x, y = x - origin[0], y - origin[1]
        return x * cos(roll) + y * sin(roll), y * cos(roll) - x * sin(roll)

    across, drop = level(nose_x, nose_y)
    if len(points) == 5:
        mouth = level(float(points[3:, 0].mean()), float(points[3:, 1].mean()))[1]
        pitch = _pitch_by_ratio(drop, mouth)
        height, depth = NOSE_TIP
        depth = max(height * sin(pitch) + depth * cos(pitch), depth / 2)
        yaw = atan2(across / depth, apart)
    else:
        height, depth = NOSE_BASE
        yaw = atan2(across / depth, apart)
        pitch = _pitch_by_drop(drop * cos(yaw) / apart, height, depth)
    return degrees(yaw), degrees(pitch), degrees(roll)


def _pitch_by_ratio(nose: float, mouth: float) -> float:
    """nose / mouth = (y − z t) / (y' − z' t) with t = tan(pitch); within ±90 degrees."""
    (y, z), (y_mouth, z_mouth) = NOSE_TIP, MOUTH
    rise, run = mouth * y - nose * y_mouth, mouth * z - nose * z_mouth
    return atan2(rise, run) if run > 0 else copysign(pi / 2, rise)


def _pitch_by_drop(drop: float, y: float, z: float) -> float:
    """drop = y cos(pitch) − z sin(pitch), in eye distances; of two solutions the one that looks further up."""
    return min(acos(min(max(drop / hypot(y, z), -1.0), 1.0)) - atan2(z, y), pi / 2)
