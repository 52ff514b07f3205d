"""Verdicts of chains and ensembles, on a real gallery, a real Azure plugin and the service's stand-in."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hub.db import templates
from hub.pipeline.galleries import GalleryKeeper
from hub.pipeline.judge import Judge
from hub.pipeline.members import EmbedderMember, IdentifierMember, Seen
from hub.pipeline.verdicts import Chain, Ensemble, Judged
from hub.plugin import Box, Candidate, Face, Identifier, NotReady, Picture, Quality, Sight
from hub.plugin.media import decode
from hub.recognition.consent import Consent
from hub.recognition.models import combined
from hub.recognition.policy import Decision, Policy, Thresholds, Unknown
from tests.support import squares
from tests.support.azure import FakeAzure, crop, faults, serving
from tests.support.azure.client import opened
from tests.support.colours import COLOURS
from tests.support.context import ManualClock
from tests.support.media import image_file
from tests.support.services import NINE, Services, services

NEARLY_ADA = (230, 75, 20)
"""Near ada's colour, and near nobody else's."""
FACE = 80
STRICT = Policy(Thresholds(0.999, 0.9999, 0.001))
CLOUD = Policy(Thresholds(0.6, 0.7, 0.1))


def picture(*colours: tuple[int, int, int]) -> Picture:
    pixels = np.full((3 * FACE, 3 * FACE * max(1, len(colours)), 3), 128, np.uint8)
    for number, colour in enumerate(colours):
        left = 3 * FACE * number + FACE
        pixels[FACE : 2 * FACE, left : left + FACE] = colour
    return Picture(pixels, pixels.shape[1], pixels.shape[0])


@dataclass
class Both:
    """A local recogniser that is strict, and the service; `sent` are the pictures that left the building."""

    parts: Services
    local: EmbedderMember
    cloud: IdentifierMember
    fake: FakeAzure
    squares: squares.Squares
    service: Identifier

    @property
    def sent(self) -> list[tuple[int, int]]:
        return [Image.open(io.BytesIO(body)).size for body in self.fake.bodies]

    def forget_calls(self) -> None:
        self.fake.calls.clear()
        self.fake.bodies.clear()


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Both]:
    async with (
        services(tmp_path) as parts,
        serving() as fake,
        opened(tmp_path / "azure", fake.endpoint) as (service, _),
    ):
        await parts.enrol("ada", "bob")
        for person in ("ada", "bob", "eve"):  # eve is there by mistake: she never consented
            await service.enrol(person, [crop(person)])
        await service.identify([crop("ada")])  # trains
        embedder = squares.Squares({"model": "colours-1"})
        local = EmbedderMember(embedder, parts.gallery, STRICT)
        made = Both(parts, local, IdentifierMember(service, local, parts.gallery, CLOUD), fake, embedder, service)
        made.forget_calls()
        yield made


def names(judged: Judged) -> list[str | None]:
    return [face.decision.person for face in sorted(judged.faces, key=lambda face: face.box.x)]


async def test_a_service_is_asked_about_crops_and_empty_pictures_cost_nothing(both: Both) -> None:
    rule = Chain([both.cloud], both.parts.clock)
    (empty,) = await rule.judge([picture()])
    assert (empty.faces, both.fake.calls) == ((), {})
    shown = picture(COLOURS["ada"], COLOURS["eve"], COLOURS["dee"])
    (judged,) = await rule.judge([shown])
    assert names(judged) == ["ada", None, None]
    assert judged.model_id == both.service.model.id
    assert {face.policy_version for face in judged.faces} == {CLOUD.version}
    assert all(not face.decision.candidates or face.decision.candidates[0].person != "eve" for face in judged.faces)
    ((width, height),) = both.sent
    assert (width, height) < (shown.width, shown.height)
    assert height < shown.height


async def test_consent_that_ended_a_moment_ago_names_nobody(both: Both) -> None:
    await both.parts.say("ada", Consent.WITHDRAWN)
    both.parts.clock.wall = both.parts.clock.wall.replace(hour=23)
    await both.parts.clock.sleep(1)
    (judged,) = await Chain([both.cloud], both.parts.clock).judge([picture(COLOURS["ada"])])
    assert names(judged) == [None]


async def test_only_the_unsure_leave_the_building(both: Both) -> None:
    rule = Chain([both.local, both.cloud], both.parts.clock, reach=[0.1])
    (judged,) = await rule.judge([picture(COLOURS["bob"], COLOURS["dee"])])
    assert names(judged) == ["bob", None]
    assert both.fake.calls == {}  # bob is sure, dee (who refused, say) near nobody
    (judged,) = await rule.judge([picture(NEARLY_ADA, COLOURS["bob"])])
    assert names(judged) == ["ada", "bob"]
    by = [face.model_id for face in sorted(judged.faces, key=lambda face: face.box.x)]
    assert by == [both.service.model.id, "colours-1"]
    assert judged.model_id == "colours-1"
    assert len(both.sent) == 1
    assert max(both.sent[0]) <= 2 * FACE + 40
    assert both.squares.analysed == 2  # each picture was looked at once


@pytest.mark.parametrize("chained", [True, False])
async def test_a_crop_shows_no_other_face(both: Both, chained: bool) -> None:
    """Dee, who refused perhaps, stands close beside."""
    shown = picture(NEARLY_ADA)
    shown.pixels[FACE : 2 * FACE, 2 * FACE + 10 : 3 * FACE] = COLOURS["dee"]
    rule = Chain([both.local, both.cloud] if chained else [both.cloud], both.parts.clock, reach=[0.1])
    (judged,) = await rule.judge([shown])
    assert names(judged) == ["ada", None]
    (sheet,) = (np.asarray(Image.open(io.BytesIO(body))).astype(int) for body in both.fake.bodies)
    of_dee = (np.abs(sheet - COLOURS["dee"]).max(axis=2) < 40).sum()
    assert of_dee <= (0 if chained else FACE * FACE), "only in a crop of her own, if she is asked about"


@pytest.mark.parametrize("several", [False, True])
async def test_a_crop_shows_no_face_that_was_too_small_to_be_looked_at(both: Both, several: bool) -> None:
    """A classmate farther away, near the face that is asked about."""
    shown = picture(COLOURS["ada"])
    beside = slice(FACE + 20, FACE + 20 + squares.SMALLEST - 2), slice(2 * FACE + 8, 2 * FACE + squares.SMALLEST + 6)
    shown.pixels[beside] = COLOURS["dee"]

    class Nearsighted(squares.Squares):
        async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
            return [Sight(sight.faces) for sight in await super().analyse(pictures)]

    nearsighted = EmbedderMember(Nearsighted({"model": "colours-1"}), both.parts.gallery, STRICT)
    members = [nearsighted, both.local, both.cloud]
    rule = Ensemble(members, 2) if several else Chain([both.cloud], both.parts.clock)
    (judged,) = await rule.judge([shown])
    assert (names(judged), len(judged.too_small)) == (["ada"], 1)
    (sheet,) = (np.asarray(Image.open(io.BytesIO(body))).astype(int) for body in both.fake.bodies)
    assert not (np.abs(sheet - COLOURS["dee"]).max(axis=2) < 40).any()


@pytest.mark.parametrize("scale", [1.0, 0.5])
async def test_a_crop_shows_no_face_that_the_finder_overlooks_in_the_whole_picture(both: Both, scale: float) -> None:
    side = round(100 / scale)
    pixels = np.full((4 * side, 4 * side, 3), 128, np.uint8)
    pixels[side : 2 * side, side : 2 * side] = COLOURS["ada"]
    pixels[side : side + round(45 / scale), 2 * side + 4 : 2 * side + 4 + round(45 / scale)] = COLOURS["dee"]
    shown = decode(image_file(pixels, "PNG"), longest=400) if scale < 1 else Picture(pixels, *pixels.shape[:2])
    assert shown.scale == scale
    coarse = squares.Coarse({"model": "colours-1"})
    finder = EmbedderMember(coarse, both.parts.gallery, STRICT)
    member = IdentifierMember(both.service, finder, both.parts.gallery, CLOUD)
    (judged,) = await Chain([member], both.parts.clock).judge([shown])
    assert names(judged) == ["ada"]
    (sheet,) = (np.asarray(Image.open(io.BytesIO(body))).astype(int) for body in both.fake.bodies)
    assert not (np.abs(sheet - COLOURS["dee"]).max(axis=2) < 40).any()
    assert (np.abs(sheet - COLOURS["ada"]).max(axis=2) < 40).sum() > 90 * 90, "and the one who is meant is whole"


async def test_the_earlier_stage_keeps_the_name(both: Both) -> None:
    rule = Chain([both.local, both.cloud], both.parts.clock, reach=[0.1])
    (judged,) = await rule.judge([picture(NEARLY_ADA, COLOURS["ada"])])
    assert names(judged) == [None, "ada"]
    assert [face.decision.reason for face in judged.faces if not face.decision.person] == [Unknown.TAKEN]


async def test_a_later_member_that_is_away_holds_up_nothing(both: Both) -> None:
    rule = Chain([both.local, both.cloud], both.parts.clock, reach=[0.1])
    both.fake.fault = faults.status(503)
    for _ in range(3):
        (judged,) = await rule.judge([picture(NEARLY_ADA, COLOURS["bob"])])
        assert names(judged) == [None, "bob"]
        assert [face.decision.reason for face in judged.faces if not face.decision.person] == [Unknown.NOT_ASKED]
    asked = sum(both.fake.calls.values())
    await rule.judge([picture(NEARLY_ADA)])
    assert sum(both.fake.calls.values()) == asked  # it is left alone for a while
    both.fake.fault = None
    await both.parts.clock.sleep(400)
    (judged,) = await rule.judge([picture(NEARLY_ADA)])
    assert names(judged) == ["ada"]


async def test_a_later_member_that_hangs_is_not_waited_for(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.pipeline.verdicts.PATIENCE", 0.05)
    both.fake.fault = faults.hang
    (judged,) = await Chain([both.local, both.cloud], both.parts.clock, reach=[0.1]).judge([picture(NEARLY_ADA)])
    assert [face.decision.reason for face in judged.faces] == [Unknown.NOT_ASKED]


SAYS = {
    "sure": ("ada", 0.9),
    "a stranger": (None, 0.1),
    "unsure": (None, 0.55),
    "blurred": (Unknown.BLURRED, 0.58),
    "sees nothing": None,
}
"""What a member makes of a face: a name, or a reason not to, and the score. The threshold is 0.6."""


class Scripted:
    """A member that says of each face what it is told to; `asked` are the faces it was asked about, by place."""

    finder = property(lambda self: self)
    policy = Policy(Thresholds(0.6, 0.7, 0))

    def __init__(self, name: str, says: Sequence[str] | None) -> None:
        self.model_id = name
        self.says = says
        self.asked: list[int] = []

    async def see(self, pictures: Sequence[Picture]) -> list[Seen]:
        assert self.says is not None
        quality, nowhere = Quality(80, 100), np.zeros(3, np.float32)
        faces = tuple(Face(Box(100 * place, 0, 80, 80), 1, quality, nowhere) for place in range(len(self.says)))
        return [Seen(faces, (), self.model_id)]

    async def decide(self, pictures: Sequence[Picture], seen: Sequence[Seen]) -> list[list[Decision | None]]:
        if self.says is None:
            raise NotReady("the test says so")
        (one,) = seen
        self.asked = [int(face.box.x) // 100 for face in one.faces]
        return [[self.decision(place) for place in self.asked]]

    def decision(self, place: int) -> Decision | None:
        assert self.says is not None
        if (said := SAYS[self.says[place]]) is None:
            return None
        name, score = said
        person = f"{name}{place}" if name == "ada" else None  # somebody else in each place, or it would be taken
        reason = None if person else name if isinstance(name, Unknown) else Unknown.NOT_CLOSE
        return Decision(person, score, None, 0.6, False, reason, (Candidate(f"ada{place}", score),))

    async def able(self) -> bool:
        return True


@given(st.data())
async def test_a_chain_goes_on_with_the_next_whatever_one_in_the_middle_does(data: st.DataObject) -> None:
    """Four members and up to three faces: each is asked about what the last who said something was unsure of."""
    count = data.draw(st.integers(1, 3))
    says = st.lists(st.sampled_from(sorted(SAYS)), min_size=count, max_size=count)
    first = data.draw(st.lists(st.sampled_from(["sure", "unsure", "a stranger"]), min_size=count, max_size=count))
    scripts = [first, *(data.draw(st.none() | says) for _ in range(3))]
    members = [Scripted(str(number), script) for number, script in enumerate(scripts)]
    (judged,) = await Chain(members, ManualClock(NINE), [0.1] * 3).judge([picture()])
    for place, face in enumerate(judged.faces):
        last, away = 0, False
        for number, script in enumerate(scripts[1:], 1):
            unsure = scripts[last] is not None and scripts[last][place] == "unsure"
            assert (place in members[number].asked) == (unsure and script is not None)
            if unsure and script is None:
                away = True
            elif unsure and script is not None and script[place] in ("sure", "unsure", "a stranger"):
                last, away = number, False
        expected = members[last].decision(place)
        assert expected is not None
        assert face.model_id == str(last)
        assert (face.decision.person, face.decision.score) == (expected.person, expected.score)
        assert face.decision.reason == (Unknown.NOT_ASKED if away else expected.reason)


@pytest.mark.parametrize(("reach", "asked"), [([0.1, 0.01], False), ([0.1, 0.1], True), ([0.01, 0.1], False)])
async def test_how_far_is_unsure_is_said_in_the_measure_of_who_was(reach: Sequence[float], asked: bool) -> None:
    members = [Scripted(str(number), ["unsure"]) for number in range(3)]
    await Chain(members, ManualClock(NINE), reach).judge([picture()])
    assert bool(members[2].asked) is asked


async def test_the_first_member_away_is_said(both: Both) -> None:
    both.fake.fault = faults.status(503)
    with pytest.raises(NotReady):
        await Chain([both.cloud, both.local], both.parts.clock, reach=[0.1]).judge([picture(COLOURS["ada"])])
    with pytest.raises(NotReady):
        await Ensemble([both.local, both.cloud], 2).judge([picture(COLOURS["ada"])])


async def test_an_ensemble_names_whom_enough_name(both: Both) -> None:
    rule = Ensemble([both.local, both.cloud], 2)
    (judged, empty) = await rule.judge([picture(COLOURS["ada"], NEARLY_ADA, COLOURS["dee"]), picture()])
    assert names(judged) == ["ada", None, None]
    assert empty.faces == ()
    assert judged.model_id == empty.model_id == combined(["colours-1", both.service.model.id], 2)


@pytest.mark.parametrize("cloud_first", [False, True])
async def test_an_ensemble_sends_nobody_who_cannot_be_named_any_more(both: Both, cloud_first: bool) -> None:
    """A stranger, and whoever refused, whom the recogniser of this machine has not named."""
    members = [both.cloud, both.local] if cloud_first else [both.local, both.cloud]
    rule = Ensemble(members, 2)
    both.fake.fault = faults.status(503)
    (judged,) = await rule.judge([picture(COLOURS["dee"], NEARLY_ADA)])
    assert (names(judged), both.fake.calls) == ([None, None], {})
    both.fake.fault = None
    (judged, _) = await rule.judge([picture(COLOURS["dee"], COLOURS["bob"]), picture(COLOURS["dee"])])
    assert names(judged) == [None, "bob"]
    (sheet,) = (np.asarray(Image.open(io.BytesIO(body))).astype(int) for body in both.fake.bodies)
    assert not (np.abs(sheet - COLOURS["dee"]).max(axis=2) < 40).any()


async def test_a_face_that_only_the_finder_of_a_service_sees_is_nobodys_and_stays(both: Both) -> None:
    class Blind(squares.Squares):
        async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
            return [Sight() for _ in pictures]

    gallery = GalleryKeeper(both.parts.database, "blind", "cosine", both.parts.clock)
    blind = EmbedderMember(Blind({"model": "blind"}), gallery, STRICT)
    (judged,) = await Ensemble([both.cloud, blind], 2).judge([picture(COLOURS["ada"])])
    assert [face.decision.reason for face in judged.faces] == [Unknown.NO_AGREEMENT]
    assert both.fake.calls == {}


async def test_faces_of_two_embedders_are_paired(both: Both) -> None:
    """The second finds fewer, each a little elsewhere."""
    parts = both.parts

    class Askew(squares.Squares):
        async def analyse(self, pictures: Sequence[Picture], *, mirror: bool = False) -> list[Sight]:
            sights = []
            for sight in await super().analyse(pictures):
                faces = [face for face in sight.faces if face.box.x > FACE]
                moved = [
                    Face(Box(f.box.x + 5, f.box.y, f.box.w, f.box.h), 1.0, f.quality, f.embedding)
                    for f in reversed(faces)
                ]
                sights.append(Sight(tuple(moved)))
            return sights

    for person in ("ada", "bob"):
        await copy_template(parts, person, "askew")
    gallery = GalleryKeeper(parts.database, "askew", "cosine", parts.clock)
    askew = EmbedderMember(Askew({"model": "askew"}), gallery, Policy(Thresholds(0.9, 0.95, 0.05)))
    loose = EmbedderMember(both.squares, parts.gallery, Policy(Thresholds(0.9, 0.95, 0.05)))
    shown = [picture(COLOURS["ada"], COLOURS["bob"], COLOURS["dee"])]
    (judged,) = await Ensemble([loose, askew], 2).judge(shown)
    assert names(judged) == [None, "bob", None]
    (judged,) = await Ensemble([askew, loose], 2).judge(shown)
    assert names(judged) == ["bob", None]
    cloud = IdentifierMember(both.service, loose, parts.gallery, CLOUD)
    for members in ([askew, loose, cloud], [cloud, askew, loose]):
        (judged, empty) = await Ensemble(members, 2).judge([*shown, picture()])
        assert names(judged) == ["ada", "bob", None], "the first overlooks ada, whom the others name"
        assert empty.faces == ()
    both.squares.analysed = 0
    await Ensemble([askew, loose, cloud], 2).judge(shown)
    assert both.squares.analysed == 1, "a picture is looked at once by each"
    chained = Chain([EmbedderMember(both.squares, parts.gallery, STRICT), askew], parts.clock, reach=[0.1])
    (judged,) = await chained.judge([picture(COLOURS["dee"], NEARLY_ADA)])
    assert names(judged) == [None, "ada"]


async def copy_template(parts: Services, person: str, model: str) -> None:
    async with parts.database.write() as connection:
        people, matrix = await templates.all(connection, "colours-1")
        await templates.replace(connection, person, model, matrix[people.index(person)], 2, at=parts.clock.now())


async def test_cameras_choose_and_the_invented_stay_here(both: Both) -> None:
    rules = {"cloud": Chain([both.cloud], both.parts.clock), "local": Chain([both.local], both.parts.clock)}
    judge = Judge(rules, [both.local], {"door": "local", "gate": "gone"})
    assert [judge.rule_of(camera) for camera in ("door", "gate", "yard")] == ["local", "cloud", "cloud"]
    shown = [picture(COLOURS["ada"])] * 3
    verdicts = await judge.judge(shown, [False, True, False], ["door", "yard", "yard"])
    assert [verdict.model_id for verdict in verdicts] == ["colours-1", "colours-1", both.service.model.id]
    assert [names(verdict) for verdict in verdicts] == [["ada"], [None], ["ada"]]
    assert len(both.sent) == 1
    assert await judge.able("yard")
    assert await judge.able("door")
    both.fake.fault = faults.status(503)
    assert not await judge.able("yard")
    assert await judge.able("door")


async def test_faces_embedded_elsewhere_go_to_their_model(both: Both) -> None:
    judge = Judge({"cloud": Chain([both.cloud], both.parts.clock)}, [both.local])
    (sight,) = await both.squares.analyse([picture(COLOURS["bob"])])
    assert judge.foreign("door", "colours-1", sight.faces) == ""
    assert "this hub uses colours-1" in judge.foreign("door", "other", sight.faces)
    assert names(await judge.judge_faces("door", "colours-1", sight.faces)) == ["bob"]
    assert both.fake.calls == {}


async def test_faces_embedded_elsewhere_are_judged_by_the_cameras_recogniser(both: Both) -> None:
    """`strict` has the model, too, and a threshold that ada's shade does not reach; `far` has another model."""
    parts = both.parts
    await copy_template(parts, "bob", "far-1")
    far_gallery = GalleryKeeper(parts.database, "far-1", "cosine", parts.clock)
    far = EmbedderMember(squares.Squares({"model": "far-1"}), far_gallery, STRICT)
    loose = EmbedderMember(both.squares, parts.gallery, Policy(Thresholds(0.9, 0.95, 0.05)))
    rules = {
        "loose": Chain([loose], parts.clock),
        "strict": Chain([both.local], parts.clock),
        "far": Chain([far], parts.clock),
        "chain": Chain([far, both.local], parts.clock, [0.1]),
        "agreeing": Ensemble([loose, both.local], 2),
        "both": Ensemble([loose, far], 2),
    }
    judge = Judge(rules, [loose, far], {name: name for name in rules})
    (sight,) = await both.squares.analyse([picture(NEARLY_ADA, COLOURS["bob"])])
    expected = {
        "loose": ["ada", "bob"],
        "elsewhere": ["ada", "bob"],
        "strict": [None, "bob"],
        "chain": [None, "bob"],
        "agreeing": [None, "bob"],
    }
    for camera, people in expected.items():
        assert judge.foreign(camera, "colours-1", sight.faces) == ""
        assert names(await judge.judge_faces(camera, "colours-1", sight.faces)) == people, camera
    for camera in ("far", "both"):
        said = judge.foreign(camera, "colours-1", sight.faces)
        assert f"by which {camera} cannot name anybody without a picture: have the camera send pictures" in said
    drawn = await judge.judge_faces("both", "colours-1", sight.faces, invented=True)
    assert judge.foreign("both", "colours-1", sight.faces, invented=True) == ""
    assert names(drawn) == [None, None]
