"""An ensemble of recognisers: so many must name the same person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hub.plugin import Quality

from .policy import Decision, Unknown, once, unknown


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a face is called, and whose decision (by index) it is."""

    decision: Decision
    member: int
    votes: int


def agreed(said: Sequence[Decision | None], agree: int) -> Agreed:
    """The verdict of members on one face, each with its own decision, or None where it does not see the face.

    The person whom at least `agree` name; score and margin are those of the first who does. One frame suffices alone
    where it does for `agree` of them. Where two people have enough voices it is neither. One member at least must have
    seen the face, and a face that is nobody's keeps the decision of the first who did.
    """
    seer, first = next((index, decision) for index, decision in enumerate(said) if decision is not None)
    voices: dict[str, list[int]] = {}
    for index, decision in enumerate(said):
        if decision is not None and decision.person is not None:
            voices.setdefault(decision.person, []).append(index)
    enough = [members for members in voices.values() if len(members) >= agree]
    if len(enough) != 1:
        reason = Unknown.NO_AGREEMENT if voices else first.reason
        return Agreed(unknown(first, reason or Unknown.NO_AGREEMENT), seer, 0)
    (members,) = enough
    alone = sum(decision.alone for index in members if (decision := said[index]) is not None)
    chosen = said[members[0]]
    assert chosen is not None
    return Agreed(replace(chosen, alone=alone >= agree), members[0], len(members))


def hopeless(said: Sequence[Decision | None], agree: int, left: int) -> bool:
    """Whether `agree` members cannot name one person any more, whatever so many that are `left` to be asked say."""
    voices = Counter(decision.person for decision in said if decision is not None and decision.person is not None)
    return max(voices.values(), default=0) + left < agree


def each_once(verdicts: Sequence[Agreed], qualities: Sequence[Quality]) -> list[Decision]:
    """The faces of one frame with each person named once at most: the face with the most voices, then the largest,
    then the sharpest is."""
    ranks = [
        (float(verdict.votes), quality.size, quality.sharpness)
        for verdict, quality in zip(verdicts, qualities, strict=True)
    ]
    return once([verdict.decision for verdict in verdicts], ranks)
