"""A chain of recognisers: the next is asked only about faces that the one before was unsure of."""

from __future__ import annotations

from collections.abc import Sequence

from .policy import Decision, Unknown, once


def unsure(decision: Decision, reach: float) -> bool:
    """Whether somebody else should be asked: two people are about equally close, or the best of them is at most
    `reach` below the threshold.

    A stranger, and somebody who refused, are farther from everybody: nobody else gets to see them. Nor is anybody
    asked about a face that is named, does not pass the gates, or is another face's person.
    """
    if decision.reason is Unknown.TWO_CLOSE:
        return True
    if decision.reason is not Unknown.NOT_CLOSE or decision.score is None:
        return False
    return round(decision.threshold - decision.score, 6) <= reach


def silent(decision: Decision) -> bool:
    """Whether it says nothing of the face: there was nobody to compare with, or too little to be seen."""
    return decision.reason in (Unknown.NOBODY_ENROLLED, Unknown.TOO_SMALL, Unknown.BLURRED, Unknown.TURNED_AWAY)


def each_once(decisions: Sequence[Decision], stages: Sequence[int]) -> list[Decision]:
    """The faces of one frame with each person named once at most: by the earliest of the `stages` that did."""
    return once(decisions, [(-stage,) for stage in stages])
