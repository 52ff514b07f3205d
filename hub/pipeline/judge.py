"""From pictures to verdicts: each camera's recogniser says who is in its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hub.pipeline.members import AbsentMember, EmbedderMember, Scope, Seen, decide_among
from hub.pipeline.verdicts import Judged, Rule, Said, judged
from hub.plugin import Face, Picture

LONGEST = 3840
"""Pixels on the longer side that a picture needs, 4K UHD: a JPEG of twice that is decoded at a half."""


class Judge:
    """Decides who is in a picture, by the rule that the picture's camera is for.

    Pictures that are invented are judged by the first embedder alone, in a scope of their own, without which everybody
    in them is unknown: nobody real is found in them, nobody invented elsewhere, and they never leave the building.
    """

    def __init__(
        self,
        rules: Mapping[str, Rule],
        embedders: Sequence[EmbedderMember],
        routes: Mapping[str, str] | None = None,
        invented: Scope | None = None,
        absent: Sequence[AbsentMember] = (),
    ) -> None:
        """`rules` by id, the default first; `embedders` in order, and those that are `absent`, one at least of either;
        `routes` names the rules of cameras that are not for the default."""
        self._rules = dict(rules)
        self._embedders = {member.model_id: member for member in reversed(embedders)}
        self._first = embedders[0] if embedders else None
        self._absent = absent
        self._routes = dict(routes or {})
        self.invented = invented

    def become(self, other: Judge) -> None:
        """Decides as `other` from now on; only while nothing is being judged."""
        self._rules, self._embedders, self._first = other._rules, other._embedders, other._first
        self._absent, self._routes, self.invented = other._absent, other._routes, other.invented

    @property
    def first(self) -> EmbedderMember:
        """The first embedder. Raises PluginError where none is open."""
        if self._first is None:
            raise self._absent[0].why
        return self._first

    def rule_of(self, camera: str) -> str:
        """The id of what judges this camera's pictures."""
        chosen = self._routes.get(camera, "")
        return chosen if chosen in self._rules else next(iter(self._rules))

    async def judge(
        self, pictures: Sequence[Picture], invented: Sequence[bool] = (), cameras: Sequence[str] = ()
    ) -> list[Judged]:
        """A verdict for each picture, in order; `invented` says which are (none, when it is left out), `cameras`
        whose they are (the default's).

        Raises PluginError when a recogniser cannot work now.
        """
        drawn = invented or [False] * len(pictures)
        whose = cameras or [""] * len(pictures)
        groups: dict[str | None, list[int]] = {}
        for index, (is_drawn, camera) in enumerate(zip(drawn, whose, strict=True)):
            groups.setdefault(None if is_drawn else self.rule_of(camera), []).append(index)
        verdicts: dict[int, Judged] = {}
        for rule, indices in groups.items():
            some = [pictures[index] for index in indices]
            said = await (self._judge_drawn(some) if rule is None else self._rules[rule].judge(some))
            verdicts |= zip(indices, said, strict=True)
        return [verdicts[index] for index in range(len(pictures))]

    async def judge_faces(self, camera: str, model_id: str, faces: Sequence[Face], invented: bool = False) -> Judged:
        """The verdict on faces that a camera embedded itself; `foreign` must not object."""
        seen = Seen(tuple(faces), (), model_id)
        if invented:
            return (await self._embedded(self._embedders[model_id], [seen], invented))[0]
        return await self._rules[self.rule_of(camera)].judge_faces(seen)

    async def able(self, camera: str = "") -> bool:
        """Whether what judges the camera's pictures works at all, tried on a grey one."""
        return await self._rules[self.rule_of(camera)].able()

    def foreign(self, camera: str, model_id: str, faces: Sequence[Face], invented: bool = False) -> str:
        """Why faces embedded elsewhere, by `model_id`, cannot be judged here; empty when they can.

        Raises PluginError while a recogniser is absent whose model that may be.
        """
        member = self._embedders.get(model_id)
        rule = self.rule_of(camera)
        readers = self._rules[rule].readers(model_id) if not invented else [member] if member else []
        if not readers and self._absent:
            raise self._absent[0].why
        if member is None:
            return f"its faces were embedded by model {model_id}, and this hub uses {', '.join(self._embedders)}"
        if not readers:
            return (
                f"its faces were embedded by model {model_id}, by which {rule} cannot name anybody without a picture: "
                "have the camera send pictures, or give it another recognizer"
            )
        dimension = member.embedder.model.dimension
        if any(face.embedding.shape != (dimension,) for face in faces):
            return f"its embeddings are not the {dimension} numbers that {model_id} gives"
        return ""

    async def _judge_drawn(self, pictures: Sequence[Picture]) -> list[Judged]:
        return await self._embedded(self.first, await self.first.see(pictures), invented=True)

    async def _embedded(self, member: EmbedderMember, seen: Sequence[Seen], invented: bool) -> list[Judged]:
        """Verdicts on faces that `member` saw, or that were embedded elsewhere by its model."""
        scope: Scope | None = member.scope
        if invented:
            scope = self.invented if member is self.first else None
        policy = scope.policy if scope else member.policy
        decided = await decide_among(scope, policy, [one.faces for one in seen])
        by = Said(member.model_id, policy.version)
        return [judged(one, found, [by] * len(found), by.model_id) for one, found in zip(seen, decided, strict=True)]
