"""Which faces of two detectors are the same."""

from __future__ import annotations

from collections.abc import Sequence

from hub.plugin import Box

SAME = 0.5
"""Intersection over union from which two boxes are one face's."""


def pairs(boxes: Sequence[Box], others: Sequence[Box]) -> list[int | None]:
    """For each of `boxes` the index of the other that shows the same face, or None; the best overlaps pair first."""
    overlaps = sorted(
        (-overlap, index, other)
        for index, box in enumerate(boxes)
        for other, rival in enumerate(others)
        if (overlap := union_share(box, rival)) >= SAME
    )
    found: list[int | None] = [None] * len(boxes)
    used: set[int] = set()
    for _, index, other in overlaps:
        if found[index] is None and other not in used:
            found[index] = other
            used.add(other)
    return found


def places(sights: Sequence[Sequence[Box]]) -> list[list[int]]:
    """Numbers the faces that are in any of `sights`: for each sight the numbers of its boxes.

    Those of the first come first, in order; then what each later one adds.
    """
    faces: list[Box] = []
    found = []
    for boxes in sights:
        numbers = []
        for box, number in zip(boxes, pairs(boxes, faces), strict=True):
            if number is None:
                number = len(faces)
                faces.append(box)
            numbers.append(number)
        found.append(numbers)
    return found


def union_share(one: Box, other: Box) -> float:
    """Intersection over union, between 0 and 1."""
    width = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    height = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one.w * one.h + other.w * other.h - shared)
