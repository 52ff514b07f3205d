"""Several recognisers on the command line."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from PIL import Image

from hub.lock import lock_data_folder
from tests.support.azure import FakeAzure, crop, faults, serving
from tests.support.azure.server import KEY
from tests.support.fras import Answer, School
from tests.support.running import change
from tests.support.square_school import cloud, furnish, portraits, there

LOCAL = "\n  - {id: local, platform: squares}\n  - {id: other, platform: squares, model: other}\n"
GRANTED = ("--consent", "granted", "--signed-by", "a parent")


@pytest.fixture
def place(school: School) -> School:
    furnish(school)
    change(school, " {platform: colours}\n", LOCAL)
    portraits(school, "ada", "bob")
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
        change(place, LOCAL, LOCAL + cloud(fake))
        answer = place.fras("enroll", str(place.folder / "portraits"), *GRANTED)
        assert answer.code == 0, answer.err
        assert "recognizer cloud: 4 portraits enrolled there, 0 refused" in answer.err
        assert there(fake) == {"ada": 2, "bob": 2}
        (line,) = place.fras("people", "reconcile", "--json").lines
        assert line == {"recognizer": "cloud", "forgotten": [], "missing": [], "sent": 0, "refused": []}
        answer = place.fras("people", "remove", "ada")
        assert "recognizer cloud: deleted there, too" in answer.err
        assert there(fake) == {"bob": 2}
        fake.fault = faults.status(401)
        answer = place.fras("people", "consent", "bob", "withdrawn", "--signed-by", "a parent")
        assert answer.code == 0
        assert "recognizer cloud: still to be deleted there: " in answer.err
        fake.fault = None
        answer = place.fras("people", "reconcile")
        assert "recognizer cloud: 1 people without standing consent deleted there" in answer.err
        assert "  bob: deleted there" in answer.err
        assert there(fake) == {}


def test_a_receipt_is_completed_later(place: School) -> None:
    """Removed while the service is away, and asked again when it is back; at a former group by whoever deleted it."""
    with azure() as fake:
        change(place, LOCAL, LOCAL + cloud(fake))
        assert place.fras("enroll", str(place.folder / "portraits"), *GRANTED).code == 0
        fake.fault = faults.status(401)
        answer = place.fras("people", "remove", "ada")
        assert (answer.code, "still to be deleted there" in answer.err) == (0, True)
        assert "fras people remove ada tries now, and says whether it is" in answer.err
        answer = place.fras("people", "remove", "ada")
        assert (answer.code, "still to be deleted there" in answer.err) == (1, True)
        fake.fault = None
        answer = place.fras("people", "remove", "ada")
        assert (answer.code, "recognizer cloud: deleted there, too" in answer.err) == (0, True)
        answer = place.fras("people", "remove", "ada")
        assert (answer.code, "no service that was sent anything of that id holds it" in answer.err) == (1, True)
        assert there(fake) == {"bob": 2}
        former = f"azure_face {fake.endpoint.removeprefix('http://')}/school"
        assert place.fras("people", "reconcile", "--deleted", former).code == 1, "hub.yaml names it"
        change(place, "group: school", "group: newer")
        answer = place.fras("people", "remove", "bob")
        assert f"recognizer {former}: still to be deleted there: it is not in hub.yaml any more" in answer.err
        answer = place.fras("people", "reconcile", "--deleted", "azure_face nowhere")
        assert (answer.code, f"those are: {former}" in answer.err) == (1, True)
        answer = place.fras("people", "reconcile", "--deleted", former)
        assert (answer.code, "1 people are noted as deleted there" in answer.err) == (0, True)
        assert "nobody has the id 'bob'" in place.fras("people", "remove", "bob").err


def lacking(answer: Answer) -> list[tuple[str, str]]:
    """Who is said to be missing, and where."""
    return [(line["person"], line["recognizer"]) for line in answer.lines if line.get("state") == "missing"]


def accepted(answer: Answer) -> Counter[str]:
    """Portraits that each recogniser took in this run."""
    return Counter(line["recognizer"] for line in answer.lines if line.get("state") == "accepted")


def test_a_service_that_refuses_stops_no_other(place: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.recognizers.azure_face.client.LONGEST_WAIT", 0.01)
    folder = str(place.folder / "portraits")
    with azure() as fake:
        change(place, LOCAL, LOCAL + cloud(fake, "expired"))
        answer = place.fras("enroll", folder, *GRANTED, "--json")
        assert answer.code == 1
        assert accepted(answer) == {"local": 4, "other": 4}
        assert lacking(answer) == [("ada", "cloud"), ("bob", "cloud")]
        assert "recognizer cloud: Azure Face does not accept the key; copy KEY 1" in answer.err
        assert "recognizer cloud: not enrolled yet: ada, bob" in answer.err
        assert "when that works: fras people reconcile, or enrol again" in answer.err
        assert place.fras("people", "reconcile").code == 1
        (line,) = place.fras("identify", folder + "/ada/0.png", "--json").lines
        assert [face["person"] for face in line["faces"]] == ["ada"]
        change(place, "expired", KEY)
        fake.fault = faults.status(503)
        answer = place.fras("enroll", folder, "--json")
        assert (answer.code, accepted(answer)) == (1, {})
        assert lacking(answer) == [("ada", "cloud"), ("bob", "cloud")]
        assert "recognizer cloud: Azure Face is ill (HTTP 503)" in answer.err
        with lock_data_folder(place.folder / "data"):  # as a running hub does
            answer = place.fras("enroll", folder, "--json")
        assert answer.code == 0
        assert [line["person"] for line in answer.lines if line.get("state") == "waiting"] == ["ada", "bob"]
        assert "recognizer cloud: the running hub enrols ada, bob" in answer.err
        fake.fault = None
        (line,) = place.fras("people", "reconcile", "--json").lines
        assert (line["sent"], there(fake)) == (4, {"ada": 2, "bob": 2})
        answer = place.fras("enroll", folder, "--json")
        assert (answer.code, accepted(answer), lacking(answer)) == (0, {}, [])
        assert there(fake) == {"ada": 2, "bob": 2}


def test_whom_a_service_refuses_is_said_each_time(place: School) -> None:
    """Faces of 75 pixels are good enough for this machine, and for Azure not to enrol."""
    for number in range(2):
        small = crop("ada", face=75, brightness=-3 * number)
        Image.fromarray(small.pixels).save(place.folder / "portraits" / "ada" / f"{number}.png")
    Image.fromarray(crop("bob", face=75).pixels).save(place.folder / "portraits" / "bob" / "0.png")
    folder, why = str(place.folder / "portraits"), "Azure calls its quality medium, and enrolling takes high"
    with azure() as fake:
        change(place, LOCAL, LOCAL + cloud(fake))
        answer = place.fras("enroll", folder, *GRANTED, "--json")
        assert answer.code == 1
        assert {"person": "ada", "template": False, "images": 0, "recognizer": "cloud"} in answer.lines
        assert there(fake) == {"": 0, "bob": 1}
        for words in (("enroll", folder), ("enroll", "--again")):
            answer = place.fras(*words)
            assert answer.code == 1
            assert "recognizer cloud: ada: not recognised there, for no portrait serves" in answer.err
            assert "cloud: bob" not in answer.err
        with lock_data_folder(place.folder / "data"):  # as a running hub does
            assert place.fras("enroll", folder).code == 1
        (told,) = place.fras("people", "show", "ada", "--json").lines[0]["services"]
        assert (told["recognizer"], told["serving"], told["to_delete"]) == ("cloud", 0, False)
        assert [one["reason"] for one in told["refused"]] == [why, why]
        shown = place.fras("people", "show", "ada").out
        assert "service  cloud: not recognised there, for no portrait serves" in shown
        assert shown.count(f"refused: {why}") == 2
        assert "cloud: 1 portrait enrolled there, 1 refused" in place.fras("people", "show", "bob").out
        fake.fault = faults.status(401)
        place.fras("people", "consent", "bob", "withdrawn", "--signed-by", "a parent")
        assert "cloud: still to be deleted there" in place.fras("people", "show", "bob").out


@pytest.mark.parametrize(
    ("how", "says"),
    [("missing", "recognizer other: no pack"), ("away", "recognizer other: the test says so")],
)
def test_a_recogniser_of_this_machine_that_fails_stops_no_other(place: School, how: str, says: str) -> None:
    """Whether it does not open, or stops at the first picture."""
    folder, trouble = str(place.folder / "portraits"), place.folder / "trouble"
    trouble.write_text("no pack")
    change(place, "model: other", f"model: other, {how}: {trouble}")
    answer = place.fras("enroll", folder, *GRANTED, "--json")
    assert answer.code == 1
    assert accepted(answer) == {"local": 4}
    assert lacking(answer) == [("ada", "other"), ("bob", "other")]
    assert says in answer.err
    assert "recognizer other: not enrolled yet: ada, bob" in answer.err
    assert "enrol again, or fras enroll --again" in answer.err
    assert place.fras("enroll", "--again").code == 1
    trouble.unlink()
    answer = place.fras("enroll", folder, "--json")
    assert (answer.code, accepted(answer), lacking(answer)) == (0, {"other": 4}, [])
    assert len(list((place.folder / "data").rglob("portraits/*.jpg"))) == 8, "a picture for each model"
    assert place.fras("enroll", "--again", "--json").lines == []


def test_none_that_finds_faces_works(place: School) -> None:
    trouble = place.folder / "trouble"
    trouble.touch()
    change(place, LOCAL, f"\n  - {{id: local, platform: squares, missing: {trouble}}}\n")
    answer = place.fras("enroll", str(place.folder / "portraits"), *GRANTED)
    assert answer.code == 1
    assert "fras: the file is there; remove it" in answer.err


def test_check_says_each_by_its_id(place: School) -> None:
    change(place, "id: other, platform: squares, model: other", "id: local, platform: squares")
    answer = place.fras("check")
    assert answer.code == 1
    assert "the recognizer id 'local' is already used in line" in answer.out + answer.err
