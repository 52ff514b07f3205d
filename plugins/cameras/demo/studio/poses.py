"""The poses people are drawn in: for their portraits, and as they walk and sit."""

from __future__ import annotations

import random

from .looks import Pose

PORTRAITS = 6
WALKING = ("left", "half-left", "ahead", "half-right", "right")
"""Which way a walking figure looks, as in the names of its pictures."""


def portraits(seed: int, count: int = PORTRAITS) -> list[Pose]:
    """As in front of a photographer who asks for a smile and to turn the head a little."""
    chance = random.Random(f"portraits {seed}")  # noqa: S311
    turns = [0, -14, 14, -24, 24, 6, -6, 18, -18]
    return [
        Pose(
            yaw=turns[number % len(turns)] + chance.uniform(-3, 3),
            pitch=chance.uniform(-5, 5),
            roll=chance.uniform(-5, 5),
            smile=chance.uniform(0, 1),
            blink=chance.uniform(0, 0.2),
            brows=chance.uniform(-0.2, 0.7),
            gaze=(chance.uniform(-0.4, 0.4), chance.uniform(-0.2, 0.2)),
            key=chance.uniform(-1, 1),
            light=chance.uniform(0.88, 1.1),
        )
        for number in range(count)
    ]


def figures(seed: int) -> dict[str, Pose]:
    """By name, as they appear in a room."""
    chance = random.Random(f"figures {seed}")  # noqa: S311

    def pose(yaw: float, pitch: float = 0.0, **more: float) -> Pose:
        return Pose(
            yaw=yaw + chance.uniform(-2, 2),
            pitch=pitch + chance.uniform(-2, 2),
            roll=chance.uniform(-3, 3),
            smile=more.get("smile", chance.uniform(0.1, 0.8)),
            blink=more.get("blink", chance.uniform(0, 0.15)),
            brows=chance.uniform(0, 0.5),
            key=-0.6,
        )

    walking = {name: pose(turn) for name, turn in zip(WALKING, (-30, -16, 0, 16, 30), strict=True)}
    sitting = {
        "smiling": pose(0, smile=0.9),
        "listening": pose(6, 5, smile=0.2),
        "aside": pose(20, -2),
    }
    return walking | sitting
