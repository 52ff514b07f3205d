"""What the hub relies on in a recogniser that keeps the gallery itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from hub.plugin.roles import Embedder, Identifier
from hub.plugin.specs import RecognizerSpec
from hub.plugin.types import Candidate, Picture

from .base import Opener, PluginContract
from .ticks import keeps_ticking


class IdentifierContract(PluginContract):
    """Override `portraits`: some crops of each of two people, as the hub makes them: one clear face in the middle.

    Runs against an empty remote gallery and leaves it empty.
    """

    kind = RecognizerSpec

    @pytest.fixture
    def portraits(self) -> tuple[Sequence[Picture], Sequence[Picture]]:
        raise NotImplementedError("override the fixture `portraits`")

    async def test_is_an_identifier(self, opener: Opener) -> None:
        async with opener() as identifier:
            assert isinstance(identifier, Identifier)
            assert not isinstance(identifier, Embedder)
            model = identifier.model
        assert model.id
        assert (model.dimension, model.metric) == (0, "service")
        assert model.single_frame >= model.threshold
        assert model.margin >= 0

    async def test_nothing_to_identify(self, opener: Opener) -> None:
        grey = Picture(np.full((240, 320, 3), 127, np.uint8), 320, 240)
        async with opener() as identifier:
            assert await identifier.identify([]) == []
            assert [list(near) for near in await identifier.identify([grey, grey])] == [[], []]

    async def test_enrol_identify_forget(
        self, opener: Opener, portraits: tuple[Sequence[Picture], Sequence[Picture]]
    ) -> None:
        first, second = portraits
        async with opener() as identifier, keeps_ticking(self.longest_block):
            assert await identifier.people() == []
            assert await identifier.enrol("person-1", first) == [""] * len(first)
            assert await identifier.enrol("person-2", second) == [""] * len(second)
            assert sorted(await identifier.people()) == ["person-1", "person-2"]

            found = await identifier.identify([first[0], second[0]])
            assert len(found) == 2
            for candidates, person in zip(found, ("person-1", "person-2"), strict=True):
                _check_candidates(candidates)
                assert candidates[0].person == person

            await identifier.forget("person-1")
            assert await identifier.people() == ["person-2"]
            (candidates,) = await identifier.identify([first[0]])
            assert "person-1" not in {candidate.person for candidate in candidates}
            await identifier.forget("person-2")
            assert await identifier.people() == []

    async def test_enrolling_again_adds_nobody(
        self, opener: Opener, portraits: tuple[Sequence[Picture], Sequence[Picture]]
    ) -> None:
        async with opener() as identifier:
            for picture in (*portraits[0], portraits[0][0]):
                assert await identifier.enrol("person-1", [picture]) == [""]
            assert await identifier.people() == ["person-1"]
            await identifier.forget("person-1")

    async def test_the_gallery_outlives_closing(
        self, opener: Opener, portraits: tuple[Sequence[Picture], Sequence[Picture]]
    ) -> None:
        async with opener() as identifier:
            await identifier.enrol("person-1", portraits[0])
        async with opener() as identifier:
            assert await identifier.people() == ["person-1"]
            await identifier.forget("person-1")

    async def test_forgetting_somebody_unknown_is_fine(self, opener: Opener) -> None:
        async with opener() as identifier:
            await identifier.forget("nobody")


def _check_candidates(candidates: Sequence[Candidate]) -> None:
    scores = [candidate.score for candidate in candidates]
    assert scores == sorted(scores, reverse=True), "candidates come best first"
    people = [candidate.person for candidate in candidates]
    assert len(set(people)) == len(people), "a person is a candidate once at most"
