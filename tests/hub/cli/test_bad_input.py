"""Files that are not what they seem, through `enroll`, `identify` and `run`: each is said, none costs another."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import threading
import time
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from PIL import Image

from tests.support import colours, media
from tests.support.facts import asked
from tests.support.fras import School, save

NINE = datetime(2026, 11, 16, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))
ADA = colours.picture("ada")
BOB = colours.picture("bob")


def png(pixels: np.ndarray = ADA) -> bytes:
    return media.image_file(pixels, "PNG")


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file (PNG specification, 5.3)."""
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def black(width: int, height: int, rows: int) -> bytes:
    """A PNG of one bit a pixel, of which `rows` are there: 400 megapixels in 50 kB."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    packer = zlib.compressobj(9)
    row = bytes(1 + -(-width // 8))
    data = b"".join(packer.compress(row * 100) for _ in range(rows // 100)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A good picture with 100 MB of zeros as its comment."""
    comment = b"Comment\0\1\0\0\0" + zlib.compress(bytes(100_000_000), 9)
    return png()[:33] + chunk(b"iTXt", comment) + png()[33:]


def sixteen_bit() -> bytes:
    import cv2

    done, data = cv2.imencode(".png", ADA[:, :, ::-1].astype(np.uint16) * 257)
    assert done
    return bytes(data)


def animated(kind: str) -> bytes:
    target = io.BytesIO()
    Image.fromarray(ADA).save(target, kind, save_all=True, append_images=[Image.fromarray(BOB)], duration=500)
    return target.getvalue()


def unreadable() -> dict[str, tuple[bytes, str]]:
    """Files and what is said of each."""
    return {
        "bomb.png": (black(60_000, 60_000, rows=1000), "too many pixels"),
        "cut.jpg": (media.image_file(ADA)[:700], "cut off"),
        "cut.png": (png()[:90], "cut off"),
        "empty.jpg": (b"", "the file is empty"),
        "enormous.png": (black(20_000, 20_000, rows=20_000), "20000×20000 pixels are too many"),
        "header.jpg": (b"\xff\xd8\xff", "not an image, or its beginning is damaged"),
        "noise.png": (png()[:60] + bytes(range(256)), "damaged"),
        "text.jpg": (b"Dear Sir or Madam", "not an image"),
        "textbomb.png": (text_bomb(), "damaged"),
    }


def unusual() -> dict[str, bytes]:
    """Files that show ada all the same."""
    return {
        "16-bit.png": sixteen_bit(),
        "animated.png": animated("PNG"),
        "animated.webp": animated("WEBP"),
        "cmyk.jpg": media.image_file(ADA, mode="CMYK"),
        "palette.png": media.image_file(ADA, "PNG", mode="P"),
        "png named.jpg": png(),
        "turned.jpg": media.image_file(ADA, exif=media.exif(turn=3)),
    }


def outcomes(school: School) -> dict[str, tuple[str, str]]:
    """Outcome and reason of each frame, by the name of its file."""
    rows = asked(school.folder, "SELECT origin, outcome, reason FROM frames")
    return {origin: (outcome, why) for origin, outcome, why in rows}


def nothing_was_a_fault(school: School) -> bool:
    return not (school.folder / "data/fault.log").exists()


@pytest.fixture(scope="session")
def strange_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strange")
    for name, (data, _) in unreadable().items():
        (folder / name).write_bytes(data)
    for name, data in unusual().items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="session")
def said() -> dict[str, str]:
    return {name: reason for name, (_, reason) in unreadable().items()}


def test_identify_says_what_is_wrong_with_each_and_names_whom_the_others_show(
    school: School, strange_files: Path, said: dict[str, str]
) -> None:
    school.enrol("ada")
    answer = school.fras("identify", "--json", str(strange_files))
    assert answer.code == 1
    lines = {Path(line["path"]).name: line for line in answer.lines}
    assert {name for name, line in lines.items() if line["error"]} == set(said)
    for name, reason in said.items():
        assert reason in lines[name]["error"]
    for name in unusual():
        assert [face["person"] for face in lines[name]["faces"]] == ["ada"], name
    assert nothing_was_a_fault(school)


def test_enrolment_refuses_each_and_serves_itself_of_the_others(
    school: School, strange_files: Path, said: dict[str, str]
) -> None:
    shutil.copytree(strange_files, school.folder / "people" / "ada")
    answer = school.fras("enroll", str(school.folder / "people"), "--consent", "granted", "--signed-by", "x", "--json")
    assert answer.code == 0, answer.err
    portraits = {Path(line["path"]).name: line for line in answer.lines if "path" in line}
    assert {name for name, line in portraits.items() if line["reason"]} == set(said)
    for name, reason in said.items():
        assert reason in portraits[name]["reason"]
    assert answer.lines[-1] == {"person": "ada", "template": True, "images": len(unusual())}
    assert nothing_was_a_fault(school)


def test_a_run_rejects_each_with_the_reason_and_recognises_the_others(
    school: School, strange_files: Path, said: dict[str, str]
) -> None:
    school.enrol("ada")
    shutil.copytree(strange_files, school.folder / "incoming", dirs_exist_ok=True)
    answer = school.fras("run", "--until-done")
    assert answer.code == 0, answer.err
    found = outcomes(school)
    for name, reason in said.items():
        outcome, why = found.pop(name)
        assert (outcome, reason in why) == ("rejected", True), (name, why)
    assert found == dict.fromkeys(unusual(), ("recognised", ""))
    assert f"{len(said)} rejected" in answer.err
    assert nothing_was_a_fault(school)


def things_that_are_no_files(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    (folder / "nowhere.jpg").symlink_to("/nowhere")
    (folder / "circle.jpg").symlink_to("circle.jpg")
    (folder / "folder.jpg").mkdir()
    (folder / "itself").symlink_to(".")


def test_pipes_links_and_folders_hold_nobody_up(school: School) -> None:
    folder = school.portraits("ada")
    things_that_are_no_files(folder / "ada")
    answer = school.fras("enroll", str(folder), "--consent", "granted", "--signed-by", "x")
    assert answer.code == 0, answer.err
    things_that_are_no_files(school.folder / "incoming")
    school.frame("f.png", NINE, "ada")
    answer = school.fras("run", "--until-done")
    assert answer.code == 0, answer.err
    assert outcomes(school) == {"f.png": ("recognised", "")}
    asked = [school.folder / "incoming" / name for name in ("pipe.jpg", "nowhere.jpg", "circle.jpg")]
    answer = school.fras("identify", "--json", *map(str, asked), "/dev/zero")
    assert answer.code == 1
    assert [line["error"].partition(":")[0] for line in answer.lines] == ["cannot be read"] * 4


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mp4"])
def test_a_video_that_ends_in_the_middle_of_a_frame(
    school: School, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    school.enrol("ada")
    noise = np.random.default_rng(1)
    frames = [np.concatenate([ADA, noise.integers(120, 136, ADA.shape, dtype=np.uint8)]) for _ in range(30)]
    options: dict[str, Any] = {"movflags": "faststart"} if suffix == ".mp4" else {}  # its index comes first
    whole = media.video(school.folder / f"whole{suffix}", frames, **options)
    data = whole.read_bytes()
    (school.folder / "incoming" / f"cut{suffix}").write_bytes(data[: len(data) * 2 // 3])
    answer = school.fras("identify", "--json", str(school.folder / "incoming"))
    assert answer.code == 1
    *shown, last = answer.lines
    assert len(shown) >= 8, "what is there is used"
    assert {face["person"] for line in shown for face in line["faces"]} == {"ada"}
    assert "cut off" in last["error"]
    with caplog.at_level(logging.WARNING, "fras"):
        answer = school.fras("run", "--until-done")
    assert answer.code == 0, answer.err
    assert {outcome for outcome, _ in outcomes(school).values()} == {"recognised"}
    assert "could not be read completely: the video is cut off" in caplog.text
    assert nothing_was_a_fault(school)


@pytest.mark.parametrize("command", ["identify", "enroll", "run"])
def test_files_that_vanish_while_they_are_read(school: School, command: str) -> None:
    """Whatever is there when its turn comes counts; the rest is said or left out, and nothing is a fault."""
    people = school.folder / "people"
    (people / "ada").mkdir(parents=True)
    for number in range(60):
        save(people / "ada" / f"{number:02}.png", "ada", brightness=-number)
        school.frame(f"{number:02}.png", NINE + timedelta(seconds=number), "ada")
    doomed = sorted(people.rglob("*.png"))[1::2] + sorted((school.folder / "incoming").iterdir())[1::2]
    if command != "enroll":
        school.enrol("bob")

    def vanish() -> None:
        for file in doomed:
            file.unlink()
            time.sleep(0.005)

    words = {
        "identify": ["identify", "--json", str(people), str(school.folder / "incoming")],
        "enroll": ["enroll", str(people), "--consent", "granted", "--signed-by", "x", "--json"],
        "run": ["run", "--until-done"],
    }[command]
    thief = threading.Thread(target=vanish)
    thief.start()
    answer = school.fras(*words)
    thief.join()
    assert "fault" not in answer.err
    assert nothing_was_a_fault(school)
    if command == "identify":
        assert {line["error"] for line in answer.lines} <= {None, "cannot be read: No such file or directory"}
        assert len(answer.lines) >= 60
    elif command == "enroll":
        assert answer.code == 0, answer.err
        assert all("No such file" in line["reason"] for line in answer.lines if line.get("reason"))
        assert answer.lines[-1]["images"] >= 30
    else:
        assert answer.code == 0, answer.err
        assert len(outcomes(school)) >= 30
        assert {outcome for outcome, _ in outcomes(school).values()} == {"recognised"}


def test_a_portrait_that_breaks_the_recogniser_is_refused_and_the_others_serve(school: School) -> None:
    folder = school.portraits("ada", "bob")
    save(folder / "ada" / "broken.png", "broken")
    answer = school.fras("enroll", str(folder), "--consent", "granted", "--signed-by", "x", "--json")
    assert answer.code == 0, answer.err
    (reason,) = [line["reason"] for line in answer.lines if line.get("reason")]
    assert reason.startswith("the recogniser fails on it")
    assert {line["person"]: line["images"] for line in answer.lines if "template" in line} == {"ada": 2, "bob": 2}


FAR_OFF = [-(2**31), -1e9, 0, 2**31 + 5, 1e10, time.time() + 3600]
"""Times of files, seconds since 1970: 1901, 1938, 1970, 2038, 2286 and in an hour."""


def test_frames_with_times_decades_off_are_recognised_once_and_change_no_other_day(school: School) -> None:
    school.enrol("ada", "bob")
    for minute in range(52):
        school.frame(f"f{minute:02}.png", NINE + timedelta(minutes=minute - 1), *(["ada"] if minute == 3 else []))
    assert school.fras("run", "--until-done").code == 0
    before = school.fras("attendance", "--date", "2026-11-16", "--json")
    assert {line["person"]: line["status"] for line in before.lines} == {"ada": "present", "bob": "absent"}
    for number, moment in enumerate(FAR_OFF):
        save(school.folder / "incoming" / f"off{number}.png", "bob")
        os.utime(school.folder / "incoming" / f"off{number}.png", (moment, moment))
    for number, taken in enumerate(["0000:00:00 00:00:00", "2026:13:45 99:99:99", "9999:12:31 23:59:59", "gibberish"]):
        picture = media.image_file(BOB, exif=media.exif(taken=taken))
        (school.folder / "incoming" / f"exif{number}.jpg").write_bytes(picture)
    for told in ("frames: 10 recognised", "frames: none"):
        answer = school.fras("run", "--until-done")
        assert answer.code == 0, answer.err
        assert told in answer.err
    assert school.fras("attendance", "--date", "2026-11-16", "--json").out == before.out
    assert school.fras("audit", "verify").code == 0


def test_duplicates_of_a_moment_count_as_one(school: School) -> None:
    school.enrol("ada")
    for number in range(20):
        school.frame(f"{number}.png", NINE + timedelta(minutes=3), "ada")
    assert school.fras("run", "--until-done").code == 0
    (line,) = school.fras("attendance", "--date", "2026-11-16", "--json").lines
    assert line["status"] == "present"
    assert "seen once" in line["why"]


@pytest.mark.slow
def test_a_folder_of_twenty_thousand_files(school: School) -> None:
    """The first is recognised at once, and memory stays. (The camera alone is tested with a hundred thousand.)"""
    import psutil  # type: ignore[import-untyped]

    school.enrol("ada")
    folder = school.folder / "incoming"
    content = png()
    for number in range(20_000):
        if number % 1000 == 0:  # as many links as any file system bears
            first = folder / f"{number:06}.png"
            first.write_bytes(content)
        else:
            os.link(first, folder / f"{number:06}.png")
    started = time.monotonic()
    hub = school.spawn("run", "--until-done")
    try:
        process = psutil.Process(hub.pid)
        memory: list[int] = []
        for wanted in (1, 30, 120):
            wait_for(lambda wanted=wanted: recognised(school) >= wanted, 60)  # type: ignore[misc]
            memory.append(process.memory_info().rss)
            if wanted == 1:
                assert time.monotonic() - started < 20, "seconds until the first frame, imports included"
        assert memory[-1] - memory[0] < 60_000_000, memory
    finally:
        hub.terminate()
        _, err = hub.communicate(timeout=30)
    assert hub.returncode == 0, err
    shutil.rmtree(folder)


def recognised(school: School) -> int:
    return sum(outcome == "recognised" for outcome, _ in outcomes(school).values())


def wait_for(condition: Callable[[], bool], patience: float) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"not within {patience} s"
        time.sleep(0.05)


def test_a_name_of_a_file_that_is_no_text_survives_json(school: School) -> None:
    school.enrol("ada")
    name = os.fsdecode(b"\xff\xfe[red]\n.png")
    save(school.folder / "incoming" / "f.png", "ada").rename(school.folder / "incoming" / name)
    answer = school.fras("identify", "--json", str(school.folder / "incoming"))
    assert answer.code == 0, answer.err
    (line,) = [json.loads(line) for line in answer.out.splitlines()]
    assert os.fsencode(line["path"]).endswith(b"/\xff\xfe[red]\n.png")
    plain = school.fras("identify", str(school.folder / "incoming")).out
    assert "\\udcff\\udcfe[red]\\n.png: 1 face" in plain
    assert school.fras("run", "--until-done").code == 0
    assert [outcome for outcome, _ in outcomes(school).values()] == ["recognised"]
