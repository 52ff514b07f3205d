"""Verdicts on pictures: of one recogniser, of a chain of them, or of an ensemble."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hub.pipeline.members import EmbedderMember, IdentifierMember, Member, Seen
from hub.plugin import Box, Clock, Face, NotReady, Picture, PluginError, Quality
from hub.recognition import chain, ensemble
from hub.recognition.models import combined
from hub.recognition.pairing import places
from hub.recognition.policy import Decision, Unknown, unknown

logger = logging.getLogger("fras.recognition")

PATIENCE = 10.0
"""Seconds in which a later member of a chain must answer, or frames go on without it."""
REST = 30.0
"""Seconds for which a later member that is away is not asked again."""
SEVERAL = ""
"""In place of a model's id, for faces that several models saw: each looks for its own."""


@dataclass(frozen=True, slots=True)
class JudgedFace:
    """`model_id` and `policy_version` are of whoever said it."""

    box: Box
    detector_score: float
    quality: Quality
    decision: Decision
    model_id: str
    policy_version: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one picture; `too_small` faces were seen but not looked at. `model_id` is what looked."""

    faces: tuple[JudgedFace, ...]
    too_small: tuple[Box, ...]
    model_id: str

    def around(self, face: JudgedFace) -> tuple[Box, ...]:
        """Where all the other faces are that were found in the picture."""
        return tuple(other.box for other in self.faces if other is not face) + self.too_small


@dataclass(frozen=True, slots=True)
class Said:
    """Who said something, and by which policy."""

    model_id: str
    policy_version: str


class Rule(Protocol):
    """How pictures are judged: by what hub.yaml calls a recogniser."""

    @property
    def model_id(self) -> str:
        """What looks at a frame; see hub.recognition.models."""
        ...

    async def judge(self, pictures: Sequence[Picture]) -> list[Judged]:
        """A verdict for each picture, in order. Raises PluginError when it cannot be had now."""
        ...

    def readers(self, model_id: str) -> Sequence[EmbedderMember]:
        """Who decides on faces that a camera embedded itself, by this model: nobody where that cannot name anybody.

        Raises PluginError while one is absent who might.
        """
        ...

    async def judge_faces(self, seen: Seen) -> Judged:
        """The verdict of the `readers`, of whom there are some: nobody else can be asked without a picture."""
        ...

    async def able(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Standing:
    """The decision on a face that holds so far, by which of the members; `missed`: one asked since was away."""

    decision: Decision
    stage: int = 0
    missed: bool = False


class Chain:
    """Asks the next of `members` about the faces that the last who said something was unsure of; of one member it is
    just that.

    A later member that is away, or does not see a face, holds up nothing: the earlier decision stands, and the next
    after it is asked.
    """

    def __init__(self, members: Sequence[Member], clock: Clock, reach: Sequence[float] = ()) -> None:
        """`reach` is that of each member but the last, in its own measure; see hub.recognition.chain."""
        self._members = members
        self._clock = clock
        self._reach = reach
        self._rests: dict[int, float] = {}

    @property
    def model_id(self) -> str:
        """The first member's, which alone looks at every face."""
        return self._members[0].model_id

    async def judge(self, pictures: Sequence[Picture]) -> list[Judged]:
        first = self._members[0]
        seen = await first.see(pictures)
        standing = [[_Standing(_certain(one)) for one in found] for found in await first.decide(pictures, seen)]
        for stage in range(1, len(self._members)):
            await self._ask(stage, pictures, seen, standing)
        return [self._verdict(one, found) for one, found in zip(seen, standing, strict=True)]

    def readers(self, model_id: str) -> Sequence[EmbedderMember]:
        """The first who compares such embeddings, be it only as the finder of a service."""
        own = _comparing(self._members, model_id)
        return (own or [found for member in self._members if (found := member.finder).model_id == model_id])[:1]

    async def judge_faces(self, seen: Seen) -> Judged:
        (reader,) = self.readers(seen.model_id)
        (found,) = await reader.decide([], [seen])
        return judged(seen, [_certain(one) for one in found], [_said(reader)] * len(found), reader.model_id)

    async def able(self) -> bool:
        return await self._members[0].able()

    def _verdict(self, seen: Seen, standing: Sequence[_Standing]) -> Judged:
        decisions = [unknown(one.decision, Unknown.NOT_ASKED) if one.missed else one.decision for one in standing]
        stages = [one.stage for one in standing]
        by = [_said(self._members[stage]) for stage in stages]
        return judged(seen, chain.each_once(decisions, stages), by, self.model_id)

    async def _ask(
        self, stage: int, pictures: Sequence[Picture], seen: Sequence[Seen], standing: list[list[_Standing]]
    ) -> None:
        """Replaces what stands of the faces that are unsure, where the member says something of them."""
        asked = [
            [f for f, one in enumerate(found) if chain.unsure(one.decision, self._reach[one.stage])]
            for found in standing
        ]
        some = [p for p, faces in enumerate(asked) if faces]
        if not some:
            return
        answers = await self._answers(stage, [pictures[p] for p in some], [seen[p].only(asked[p]) for p in some])
        for number, p in enumerate(some):
            for place, f in enumerate(asked[p]):
                if answers is None:
                    standing[p][f] = replace(standing[p][f], missed=True)
                elif (answer := answers[number][place]) is not None and not chain.silent(answer):
                    standing[p][f] = _Standing(answer, stage)

    async def _answers(
        self, stage: int, pictures: Sequence[Picture], seen: Sequence[Seen]
    ) -> list[list[Decision | None]] | None:
        """None where the member is away."""
        if self._clock.monotonic() < self._rests.get(stage, float("-inf")):
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                answers = await self._members[stage].decide(pictures, seen)
        except (PluginError, TimeoutError) as error:
            new = stage not in self._rests
            self._rests[stage] = self._clock.monotonic() + REST
            fact = error if isinstance(error, PluginError) else NotReady(f"no answer within {PATIENCE:g} s")
            level = logging.WARNING if new else logging.DEBUG
            logger.log(level, "%s is not asked about unsure faces now: %s", self._members[stage].model_id, fact)
            return None
        self._rests.pop(stage, None)
        return answers


class Ensemble:
    """Asks all `members` about every face; `agree` of them must name the same person.

    Where all must, a face that the first does not find cannot be named, and it alone looks for them. Otherwise all do.
    Services are asked last, and nobody about a face that cannot be named any more: it need not leave the building.
    """

    def __init__(self, members: Sequence[Member], agree: int) -> None:
        self._members = members
        self._agree = agree
        looking = members[:1] if agree == len(members) else members
        self._finders = list(dict.fromkeys(member.finder for member in looking))
        self._order = sorted(range(len(members)), key=lambda index: isinstance(members[index], IdentifierMember))

    @property
    def model_id(self) -> str:
        return combined([member.model_id for member in self._members], self._agree)

    async def judge(self, pictures: Sequence[Picture]) -> list[Judged]:
        sights = [await finder.see(pictures) for finder in self._finders]
        gathered = [_Gathered.of(of_one) for of_one in zip(*sights, strict=True)]
        verdicts = [Judged((), one.seen.too_small, self.model_id) for one in gathered]
        some = [p for p, one in enumerate(gathered) if one.seen.faces]
        if not some:
            return verdicts
        shown, faces_of = [pictures[p] for p in some], [gathered[p] for p in some]
        said: dict[int, list[list[Decision | None]]] = {}
        for index in self._order:
            wanted = [
                self._may_be_named(one.seen, [of_all[number] for of_all in said.values()])
                for number, one in enumerate(faces_of)
            ]
            said[index] = await self._ask(self._members[index], shown, faces_of, wanted)
        for number, p in enumerate(some):
            of_one = [said[index][number] for index in range(len(self._members))]
            verdicts[p] = self._verdict(gathered[p].seen, self._members, of_one)
        return verdicts

    def readers(self, model_id: str) -> Sequence[EmbedderMember]:
        """All who compare such embeddings, where they are enough to agree."""
        readers = _comparing(self._members, model_id)
        return readers if len(readers) >= self._agree else []

    async def judge_faces(self, seen: Seen) -> Judged:
        readers = self.readers(seen.model_id)
        return self._verdict(seen, readers, [(await reader.decide([], [seen]))[0] for reader in readers])

    async def able(self) -> bool:
        return all([await member.able() for member in self._members])

    def _may_be_named(self, seen: Seen, said: Sequence[Sequence[Decision | None]]) -> list[int]:
        """The faces of one picture that still can be, after what these members said of them."""
        left = len(self._members) - len(said)
        faces = range(len(seen.faces))
        return [f for f in faces if not ensemble.hopeless([of_one[f] for of_one in said], self._agree, left)]

    def _verdict(self, seen: Seen, members: Sequence[Member], said: Sequence[Sequence[Decision | None]]) -> Judged:
        """What these members' decisions on the faces of one picture come to."""
        found_out = []
        for f, face in enumerate(seen.faces):
            of_face = [of_one[f] for of_one in said]
            if not any(of_face):  # whoever finds faces here is no member, and who could judge it was not asked
                of_face[0] = unknown(members[0].policy.decide([[]], [face.quality])[0], Unknown.NO_AGREEMENT)
            found_out.append(ensemble.agreed(of_face, self._agree))
        decisions = ensemble.each_once(found_out, [face.quality for face in seen.faces])
        return judged(seen, decisions, [_said(members[one.member]) for one in found_out], self.model_id)

    async def _ask(
        self,
        member: Member,
        pictures: Sequence[Picture],
        gathered: Sequence[_Gathered],
        wanted: Sequence[Sequence[int]],
    ) -> list[list[Decision | None]]:
        """What the member says of the faces, of those that are not `wanted` only if it has looked for them itself."""
        if member not in self._finders:
            said: list[list[Decision | None]] = [[None] * len(one.seen.faces) for one in gathered]
            some = [p for p, faces in enumerate(wanted) if faces]
            if some:
                shown = [gathered[p].seen.only(wanted[p]) for p in some]
                for p, decisions in zip(some, await member.decide([pictures[p] for p in some], shown), strict=True):
                    for f, decision in zip(wanted[p], decisions, strict=True):
                        said[p][f] = decision
            return said
        finder = self._finders.index(member)
        decided = await member.decide(pictures, [one.sights[finder] for one in gathered])
        return [one.spread(finder, decisions) for one, decisions in zip(gathered, decided, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class _Gathered:
    """What several saw in one picture, and together: each face as the first who saw it did.

    `numbers` are those of each sight's faces among the faces `seen` together.
    """

    sights: Sequence[Seen]
    numbers: Sequence[Sequence[int]]
    seen: Seen

    @classmethod
    def of(cls, sights: Sequence[Seen]) -> _Gathered:
        numbers = places([[face.box for face in sight.faces] for sight in sights])
        if len(sights) == 1:
            return cls(sights, numbers, sights[0])
        faces: dict[int, Face] = {}
        for sight, found in zip(sights, numbers, strict=True):
            faces = dict(zip(found, sight.faces, strict=True)) | faces
        together = tuple(faces[number] for number in sorted(faces))
        small = [box for sight in sights for box in sight.too_small]
        _, *others = places([[face.box for face in together], *([box] for box in small)])
        too_small = {number: box for (number,), box in zip(others, small, strict=True) if number >= len(together)}
        return cls(sights, numbers, Seen(together, tuple(too_small.values()), SEVERAL))

    def spread(self, sight: int, decisions: Sequence[Decision | None]) -> list[Decision | None]:
        """Decisions on the faces of one sight, for all the faces `seen` together."""
        found: list[Decision | None] = [None] * len(self.seen.faces)
        for number, decision in zip(self.numbers[sight], decisions, strict=True):
            found[number] = decision
        return found


def judged(seen: Seen, decisions: Sequence[Decision], by: Sequence[Said], model_id: str) -> Judged:
    """The verdict on a picture whose faces were decided on by these."""
    faces = tuple(
        JudgedFace(face.box, face.score, face.quality, decision, whose.model_id, whose.policy_version)
        for face, decision, whose in zip(seen.faces, decisions, by, strict=True)
    )
    return Judged(faces, seen.too_small, model_id)


def _comparing(members: Sequence[Member], model_id: str) -> list[EmbedderMember]:
    """Those whose gallery embeddings of this model can be compared with."""
    return [member for member in members if isinstance(member, EmbedderMember) and member.model_id == model_id]


def _said(member: Member) -> Said:
    return Said(member.model_id, member.policy.version)


def _certain(decision: Decision | None) -> Decision:
    """The first member decides on what it saw itself."""
    assert decision is not None
    return decision
