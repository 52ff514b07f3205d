"""The demo's invented people: entered once, kept apart from real ones, recognised on demo cameras alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub import demo
from hub.calibrating import calibrate_gallery
from hub.db import consent, templates
from hub.enrolment import PersonResult
from hub.pipeline.judge import Judge
from hub.plugin import Invented, Picture
from hub.portraits import Pupil
from hub.recognition.consent import INVENTED, Consent
from hub.registration import Signature, register_people
from tests.support import colours
from tests.support.fras import save
from tests.support.services import POLICY, Services, judge_by, services

CLASS = "Demo"


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Services]:
    async with services(tmp_path) as opened:
        yield opened


@pytest.fixture
def cast(tmp_path: Path) -> Invented:
    folder = tmp_path / "portraits"
    for person in ("bob", "cem"):
        (folder / person).mkdir(parents=True)
        for number in range(2):
            save(folder / person / f"{number}.png", person, brightness=-3 * number)
    rows = ["id,name,class", "bob,Bob,Demo", "cem,Cem,Demo", "dee,Dee,Demo"]
    (folder / "people.csv").write_text("\n".join(rows), "utf-8")
    return Invented(portraits=folder, refused=frozenset({"dee"}))


def picture(*people: str) -> Picture:
    pixels = colours.picture(*people)
    return Picture(pixels, pixels.shape[1], pixels.shape[0])


async def seed(parts: Services, cast: Invented) -> list[str]:
    said: list[str] = []
    await demo.seed(parts.database, parts.enrolment(), parts.clock, [cast], said.append)
    return said


async def judge_of(parts: Services) -> Judge:
    scope = await demo.scope(parts.database, parts.embedder, POLICY, parts.clock)
    judge = judge_by(parts.embedder, parts.gallery, parts.clock)
    judge.invented = scope
    return judge


async def named(judge: Judge, *people: str, invented: bool) -> list[str | None]:
    (judged,) = await judge.judge([picture(*people)], [invented])
    return sorted((face.decision.person for face in judged.faces), key=str)


async def test_the_first_start_enrols_them_and_the_next_does_nothing(parts: Services, cast: Invented) -> None:
    assert (await seed(parts, cast))[-1] == "enrolling the demo school: 2 of 2"
    assert await seed(parts, cast) == []
    people = {person.id: person for person in await parts.roll.everybody()}
    assert {person.class_name for person in people.values()} == {CLASS}
    assert {name: (person.consent, person.images) for name, person in people.items()} == {
        "bob": (Consent.GRANTED, 2),
        "cem": (Consent.GRANTED, 2),
        "dee": (Consent.REFUSED, 0),
    }
    async with parts.database.read() as connection:
        assert {event.signer for event in await consent.events(connection)} == {INVENTED}


async def test_who_was_withdrawn_or_removed_stays_so(parts: Services, cast: Invented) -> None:
    await seed(parts, cast)
    await parts.roll.sign("bob", Consent.WITHDRAWN, "somebody", "")
    await parts.erasure.person("cem")
    assert await seed(parts, cast) == []
    async with parts.database.read() as connection:
        assert await templates.holders(connection) == frozenset()


async def test_an_interrupted_start_is_made_up_for(parts: Services, cast: Invented) -> None:
    await seed(parts, cast)
    async with parts.database.write() as connection:
        await templates.remove(connection, "cem", at=parts.clock.now())
    assert (await seed(parts, cast))[-1] == "enrolling the demo school: 1 of 1"
    async with parts.database.read() as connection:
        assert await templates.holders(connection) == {"bob", "cem"}


async def test_real_and_invented_people_never_meet(parts: Services, cast: Invented) -> None:
    await parts.enrol("ada")
    await seed(parts, cast)
    judge = await judge_of(parts)
    assert await named(judge, "ada", "bob", invented=False) == [None, "ada"]
    assert await named(judge, "ada", "bob", invented=True) == [None, "bob"]
    assert await named(judge, "cem", invented=True) == ["cem"]


async def test_without_a_demo_everybody_drawn_is_unknown(parts: Services) -> None:
    await parts.enrol("ada")
    assert await named(judge_by(parts.embedder, parts.gallery, parts.clock), "ada", invented=True) == [None]


async def test_demo_thresholds_are_of_the_demo_alone(parts: Services, cast: Invented) -> None:
    await parts.enrol("ada")
    await seed(parts, cast)
    judge = await judge_of(parts)
    real, drawn = await judge.judge([picture("ada"), picture("bob")], [False, True])
    assert real.faces[0].decision.threshold == POLICY.thresholds.threshold
    assert real.faces[0].policy_version == POLICY.version
    assert drawn.faces[0].policy_version != POLICY.version
    calibration = await calibrate_gallery(parts.database, parts.embedder.model, 0.01)
    assert calibration.people == 0, "the invented have portraits, nobody real has"


async def test_a_real_portrait_is_not_compared_with_the_invented(
    parts: Services, cast: Invented, tmp_path: Path
) -> None:
    await seed(parts, cast)
    pupil = Pupil("real", "Real", None, (save(tmp_path / "real.png", "bob", brightness=-9),))
    await register_people(parts.database, [pupil], Signature(Consent.GRANTED, "a parent"), parts.clock)
    enrolment = parts.enrolment()
    results = [result async for result in enrolment.enrol([pupil])]
    assert results[-1] == PersonResult("real", 1)
