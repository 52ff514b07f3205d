"""What the hub relies on in a recogniser that keeps the gallery itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from hub.plugin.roles import Identifier
from hub.plugin.specs import RecognizerSpec
from hub.plugin.types import IdentifiedFace, Picture

from .base import Opener, PluginContract
from .ticks import keeps_ticking


class IdentifierContract(PluginContract):
    """Override `portraits`: some pictures of each of two people, one clear face in each picture.

    Runs against an empty remote gallery and leaves it empty.
    """

    kind = RecognizerSpec

    @pytest.fixture
    def portraits(self) -> tuple[Sequence[Picture], Sequence[Picture]]:
        raise NotImplementedError("override the fixture `portraits`")

    async def test_is_an_identifier(self, opener: Opener) -> None:
        async with opener() as identifier:
            assert isinstance(identifier, Identifier)

    async def test_nothing_to_identify(self, opener: Opener) -> None:
        grey = Picture(np.full((240, 320, 3), 127, np.uint8), 320, 240)
        async with opener() as identifier:
            assert await identifier.identify([]) == []
            assert await identifier.identify([grey, grey]) == [[], []]

    async def test_enrol_identify_forget(
        self, opener: Opener, portraits: tuple[Sequence[Picture], Sequence[Picture]]
    ) -> None:
        first, second = portraits
        async with opener() as identifier, keeps_ticking(self.longest_block):
            assert await identifier.people() == []
            await identifier.enrol("person-1", first)
            await identifier.enrol("person-2", second)
            assert sorted(await identifier.people()) == ["person-1", "person-2"]

            found = await identifier.identify([first[0], second[0]])
            assert len(found) == 2
            for faces, person in zip(found, ("person-1", "person-2"), strict=True):
                (face,) = faces
                _check_candidates(face)
                assert face.candidates[0].person == person

            await identifier.forget("person-1")
            assert await identifier.people() == ["person-2"]
            ((face,),) = await identifier.identify([first[0]])
            assert "person-1" not in {candidate.person for candidate in face.candidates}
            await identifier.forget("person-2")
            assert await identifier.people() == []

    async def test_enrolling_again_adds_pictures_and_not_people(
        self, opener: Opener, portraits: tuple[Sequence[Picture], Sequence[Picture]]
    ) -> None:
        async with opener() as identifier:
            for picture in portraits[0]:
                await identifier.enrol("person-1", [picture])
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


def _check_candidates(face: IdentifiedFace) -> None:
    scores = [candidate.score for candidate in face.candidates]
    assert scores == sorted(scores, reverse=True), "candidates come best first"
    people = [candidate.person for candidate in face.candidates]
    assert len(set(people)) == len(people), "a person is a candidate once at most"
