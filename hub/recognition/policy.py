"""Who the faces of one frame are called: the hub's decision, the same for every recogniser."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from enum import StrEnum

from hub.plugin import Candidate, Quality

RULE = "1"
"""Raised when the same candidates and parameters would be decided otherwise."""

SHOWN = 3
"""Candidates kept with a decision, whatever their score."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores from which a face is somebody: `threshold`, or `single_frame` where one frame has to suffice;
    `margin` is how far ahead of the next person it must be."""

    threshold: float
    single_frame: float
    margin: float


@dataclass(frozen=True, slots=True)
class Gates:
    """Faces worth recognising: at least `min_size` original pixels, `min_sharpness` as in `Quality`, and turned
    by at most `max_turn` degrees (yaw or pitch; alignment takes care of roll)."""

    min_size: float = 0.0
    min_sharpness: float = 0.0
    max_turn: float = 90.0


class Unknown(StrEnum):
    """Why a face is nobody's, in words for staff."""

    TOO_SMALL = "the face is too small"
    BLURRED = "the face is blurred"
    TURNED_AWAY = "the face is turned away"
    NOBODY_ENROLLED = "there is nobody to compare with"
    NOT_CLOSE = "nobody is close enough"
    TWO_CLOSE = "two people are about equally close"
    TAKEN = "another face in the frame is closer to this person"
    NO_AGREEMENT = "the recognisers do not agree"
    NOT_ASKED = "the recogniser to be asked next is away"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a face is called. `person` is None for an unknown face, with the `reason`.

    `score` and `margin` are the best candidate's, named or not; `margin` is None where there is no second.
    `alone` says that this frame suffices by itself. `candidates` are the best three.
    """

    person: str | None
    score: float | None
    margin: float | None
    threshold: float
    alone: bool
    reason: Unknown | None
    candidates: tuple[Candidate, ...]


def gated(quality: Quality, gates: Gates) -> Unknown | None:
    """Why a face of this quality is not worth recognising, or None."""
    if not quality.size >= gates.min_size:
        return Unknown.TOO_SMALL
    if not quality.sharpness >= gates.min_sharpness:
        return Unknown.BLURRED
    if not max(abs(quality.yaw), abs(quality.pitch)) <= gates.max_turn:
        return Unknown.TURNED_AWAY
    return None


def once(decisions: Sequence[Decision], ranks: Sequence[tuple[float, ...]]) -> list[Decision]:
    """The decisions on the faces of one frame, each person named once at most: the face of the highest rank is.

    Where two share the highest rank, nobody is.
    """
    left = list(decisions)
    claims: dict[str, list[int]] = {}
    for index, decision in enumerate(decisions):
        if decision.person is not None:
            claims.setdefault(decision.person, []).append(index)
    for claimants in claims.values():
        wanted = [ranks[index] for index in claimants]
        for index, rank in zip(claimants, wanted, strict=True):
            if rank < max(wanted) or wanted.count(rank) > 1:
                left[index] = unknown(decisions[index], Unknown.TAKEN)
    return left


def unknown(decision: Decision, reason: Unknown) -> Decision:
    return replace(decision, person=None, alone=False, reason=reason)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rule and its parameters."""

    thresholds: Thresholds
    gates: Gates = Gates()

    @property
    def version(self) -> str:
        """Names the rule and these parameters of it, for an observation to carry."""
        return f"{RULE}-{hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:8]}"

    def decide(self, candidates: Sequence[Sequence[Candidate]], qualities: Sequence[Quality]) -> list[Decision]:
        """A decision for each face of one frame, in order.

        `candidates` of a face are best first and at least two where the gallery holds two people, or the margin
        cannot be seen. A face is its best candidate when it passes the gates, the score reaches the threshold
        and leads the next person's by the margin. Where several faces of the frame pass for one person, the
        closest (then the largest, then the sharpest) is; the others become unknown rather than their second
        best, from which they are further by the margin; faces alike in all of that are all unknown.
        """
        decisions = [self._face(face, quality) for face, quality in zip(candidates, qualities, strict=True)]
        return once(decisions, [_rank(*pair) for pair in zip(decisions, qualities, strict=True)])

    def _face(self, candidates: Sequence[Candidate], quality: Quality) -> Decision:
        wanted = self.thresholds
        score = candidates[0].score if candidates else None
        # Rounded, because 0.6 − 0.55 must reach a margin of 0.05.
        margin = round(candidates[0].score - candidates[1].score, 6) if len(candidates) > 1 else None
        reason = gated(quality, self.gates)
        if reason is None:
            if score is None:
                reason = Unknown.NOBODY_ENROLLED
            elif not score >= wanted.threshold:
                reason = Unknown.NOT_CLOSE
            elif margin is not None and not margin >= wanted.margin:
                reason = Unknown.TWO_CLOSE
        return Decision(
            person=candidates[0].person if reason is None else None,
            score=score,
            margin=margin,
            threshold=wanted.threshold,
            alone=reason is None and score is not None and score >= wanted.single_frame,
            reason=reason,
            candidates=tuple(candidates[:SHOWN]),
        )


def _rank(decision: Decision, quality: Quality) -> tuple[float, float, float]:
    return (decision.score or 0.0, quality.size, quality.sharpness)
