"""Several recognisers on the command line."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from tests.support import squares
from tests.support.azure import FakeAzure, crop, faults, serving
from tests.support.azure.server import KEY
from tests.support.distributions import install
from tests.support.fras import School
from tests.support.running import change

LOCAL = "\n  - {id: local, platform: squares}\n  - {id: other, platform: squares, model: other}\n"
GRANTED = ("--consent", "granted", "--signed-by", "a parent")


@pytest.fixture
def place(school: School) -> School:
    install(school.site, "fras-squares", "squares", Path(squares.__file__).read_text("utf-8"))
    change(school, " {platform: colours}\n", LOCAL)
    for person in ("ada", "bob"):
        (school.folder / "portraits" / person).mkdir(parents=True)
        for number in range(2):
            shown = crop(person, face=150, brightness=-3 * number)
            Image.fromarray(shown.pixels).save(school.folder / "portraits" / person / f"{number}.png")
    return school


@contextmanager
def azure() -> Iterator[FakeAzure]:
    """The stand-in on a loop of its own: commands have theirs."""
    loop = asyncio.new_event_loop()
    made: list[FakeAzure] = []
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serving() as fake:
            made.append(fake)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert ready.wait(10)
        yield made[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


def people(fake: FakeAzure) -> list[str]:
    return sorted(str(one.data) for one in fake.gallery.groups["school"].people.values())


def test_everybody_is_enrolled_for_each(place: School) -> None:
    folder = str(place.folder / "portraits")
    answer = place.fras("enroll", folder, *GRANTED, "--json")
    assert answer.code == 0, answer.err
    templates = sorted((line["person"], line["recognizer"]) for line in answer.lines if "template" in line)
    assert templates == [("ada", "local"), ("ada", "other"), ("bob", "local"), ("bob", "other")]
    assert "2 people with a template; portraits: 8 accepted" in answer.err
    (line,) = place.fras("identify", folder + "/ada/0.png", "--json").lines
    assert [face["person"] for face in line["faces"]] == ["ada"]
    calibrated = place.fras("calibrate", "--json")
    assert [line["recognizer"] for line in calibrated.lines] == ["local", "other"]


def test_what_was_kept_serves_again(place: School) -> None:
    assert place.fras("enroll", str(place.folder / "portraits"), *GRANTED).code == 0
    change(place, "model: other", "model: newer")
    answer = place.fras("enroll", "--again", "--json")
    assert answer.code == 0, answer.err
    assert sorted((line["person"], line["recognizer"]) for line in answer.lines if "template" in line) == [
        ("ada", "other"),
        ("bob", "other"),
    ]
    assert place.fras("enroll", "--again", "--json").lines == []
    assert place.fras("enroll").code == 2
    assert place.fras("enroll", "portraits", "--again").code == 2


def test_a_service_is_told_compared_and_cleared(place: School) -> None:
    with azure() as fake:
        section = f'endpoint: "{fake.endpoint}", key: {KEY}, group: school, train_after: 0 s, calls_per_second: 1000'
        change(place, LOCAL, f"{LOCAL}  - {{id: cloud, platform: azure_face, {section}}}\n")
        answer = place.fras("enroll", str(place.folder / "portraits"), *GRANTED)
        assert answer.code == 0, answer.err
        assert "recognizer cloud: 4 portraits enrolled there, 0 refused" in answer.err
        assert people(fake) == ["fras:ada", "fras:bob"]
        (line,) = place.fras("people", "reconcile", "--json").lines
        assert line == {"recognizer": "cloud", "forgotten": [], "missing": [], "sent": 0, "refused": []}
        answer = place.fras("people", "remove", "ada")
        assert "recognizer cloud: deleted there, too" in answer.err
        assert people(fake) == ["fras:bob"]
        fake.fault = faults.status(401)
        answer = place.fras("people", "consent", "bob", "withdrawn", "--signed-by", "a parent")
        assert answer.code == 0
        assert "recognizer cloud: still to be deleted there: " in answer.err
        fake.fault = None
        answer = place.fras("people", "reconcile")
        assert "recognizer cloud: 1 people without standing consent deleted there" in answer.err
        assert "  bob: deleted there" in answer.err
        assert people(fake) == []


def test_check_says_each_by_its_id(place: School) -> None:
    change(place, "id: other, platform: squares, model: other", "id: local, platform: squares")
    answer = place.fras("check")
    assert answer.code == 1
    assert "the recognizer id 'local' is already used in line" in answer.out + answer.err
