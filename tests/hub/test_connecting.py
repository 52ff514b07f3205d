"""Every configured service is tried, at once and each for a while only; what is wrong with it is said in a line."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from hub.app import Paths
from hub.connecting import Attempt, Tried, longest, try_services
from hub.runtime.catalog import Catalog
from hub.runtime.tasks import Abandoned
from hub.settings import read_settings
from tests.support.distributions import install
from tests.support.fras import School

PROBED = """
    import asyncio
    from contextlib import asynccontextmanager

    from hub.plugin import CameraSpec, NeedsHuman, hookimpl
    from hub.plugin.validators import duration

    async def probe(config, context):
        match config["does"]:
            case "works":
                await context.run_blocking((context.data_folder / "seen").touch)
                return f"seen\\n by {context.instance_id}"
            case "fails":
                raise NeedsHuman(f"the password {config.get('password')} is wrong", hint="look it up")
            case "breaks":
                raise KeyError("url: http://admin:hunter2@camera/")
            case "reads":
                return (context.data_folder / "kept").read_text()
            case "meets" | "greets" as mine:
                (context.base_folder / mine).touch()
                while not (context.base_folder / {"meets": "greets", "greets": "meets"}[mine]).exists():
                    await asyncio.sleep(0.01)
                return "met"
            case "hangs":
                await asyncio.Event().wait()

    @asynccontextmanager
    async def opening(config, context):
        raise AssertionError("nothing is opened")
        yield

    @hookimpl
    def fras_plugins():
        schema = {"does": str, "password": str, "timeout": duration}
        return [CameraSpec(name="probed", config_schema=schema, open=opening, probe=probe)]
"""


@pytest.fixture
def probed(school: School) -> School:
    install(school.site, "fras-probed", "probed", PROBED)
    return school


def cameras(school: School, *does: str, more: str = "") -> None:
    file = school.folder / "hub.yaml"
    text = file.read_text("utf-8")
    head, _, rest = text.partition("cameras:\n")
    lines = "".join(f'  - {{platform: probed, id: cam-{one}, room: "101", does: {one}{more}}}\n' for one in does)
    file.write_text(f"{head}cameras:\n{lines}{rest[rest.index('attendance:') :]}", "utf-8")


async def tried(school: School, patience: float = 60.0) -> dict[str, Tried]:
    catalog = Catalog()
    paths = Paths.of(school.folder / "hub.yaml", None)
    settings = read_settings(paths.config, catalog)
    found = await try_services(settings, catalog, paths, Abandoned(), patience)
    return {one.service: one for one in found}


@pytest.mark.sqlite
async def test_each_says_in_a_line_what_it_found_or_what_to_do(probed: School) -> None:
    cameras(probed, "works", "fails", "breaks", more=", password: !secret camera")
    (probed.folder / "secrets.yaml").write_text('camera: "open sesame"\n', "utf-8")
    found = await tried(probed)
    assert found["camera cam-works"] == Tried("camera cam-works", "probed", True, "seen by cam-works")
    assert found["camera cam-fails"] == Tried(
        "camera cam-fails", "probed", False, "the password *** is wrong", "look it up"
    )
    assert not found["camera cam-breaks"].works
    assert "fault of the plugin: KeyError" in found["camera cam-breaks"].message
    assert "hunter2" not in found["camera cam-breaks"].message
    assert found["database"] == Tried("database", "", True, "the file is made at the first start")
    assert list(found) == [
        "data folder",
        "database",
        "recognizer",
        "storage",
        "camera cam-works",
        "camera cam-fails",
        "camera cam-breaks",
    ]


def everything_in(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Mode, owner and content of each. (A folder's time may change: not every file system has files without a name.)"""
    return {
        path.relative_to(folder).as_posix(): (
            status.st_mode,
            status.st_uid,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *folder.rglob("*")]
        for status in [path.stat()]
    }


async def test_nothing_is_made_in_the_data_folder(probed: School) -> None:
    cameras(probed, "works")
    data = probed.folder / "data"
    assert (await tried(probed))["camera cam-works"].works
    assert not data.exists()
    data.mkdir()
    before = everything_in(data)
    assert (await tried(probed))["camera cam-works"].works
    assert everything_in(data) == before
    own = data / "plugins" / "camera" / "cam-works"
    own.mkdir(parents=True)
    await tried(probed)
    assert (own / "seen").exists(), "what the plugin has is what it is tried with"


async def test_what_belongs_to_another_user_is_read_and_left_alone(
    probed: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras(probed, "reads", "works")
    data = probed.folder / "data"
    for camera in ("cam-reads", "cam-works"):
        own = data / "plugins" / "camera" / camera
        own.mkdir(parents=True)
        (own / "kept").write_text("by the hub")
    before = everything_in(data)
    somebody_else = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: somebody_else)
    found = await tried(probed)
    assert found["camera cam-reads"].message == "by the hub"
    assert found["camera cam-works"].works
    assert everything_in(data) == before


async def test_a_service_gets_the_time_that_its_options_ask_for(probed: School) -> None:
    cameras(probed, "works", more=", timeout: 30 s")
    settings = read_settings(probed.folder / "hub.yaml", catalog := Catalog())
    assert longest(settings) == 40
    cameras(probed, "works", more=", timeout: 2 h")
    assert longest(read_settings(probed.folder / "hub.yaml", catalog)) == 70
    cameras(probed, "works", more=", timeout: 1 s")
    assert longest(read_settings(probed.folder / "hub.yaml", catalog)) == 15


async def test_one_that_is_late_tells_how_far_it_came() -> None:
    async def crawl(report: Callable[[str], None]) -> str:
        report("connected, waiting for a picture")
        await asyncio.Event().wait()
        return ""

    found = await Attempt("camera door", "rtsp", crawl).tried(frozenset(), Abandoned(), 0.05)
    assert found.message == "not done within 0.05 s; it came to: connected, waiting for a picture"
    assert "network" not in found.hint


async def test_all_are_tried_at_once(probed: School) -> None:
    cameras(probed, "meets", "greets")
    found = await tried(probed, patience=60)
    assert found["camera cam-meets"].works
    assert found["camera cam-greets"].works


async def test_one_that_hangs_is_given_up(probed: School) -> None:
    cameras(probed, "hangs")
    assert (await tried(probed, patience=0.3))["camera cam-hangs"].message == "no answer within 0.3 s"


async def test_one_that_does_not_end_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = asyncio.Event()

    async def stay(report: Callable[[str], None]) -> str:
        while not let_go.is_set():
            with suppress(asyncio.CancelledError):
                await let_go.wait()
        return "late"

    monkeypatch.setattr("hub.connecting.GRACE", 0.05)
    abandoned = Abandoned()
    found = await Attempt("camera door", "rtsp", stay).tried(frozenset(), abandoned, 0.05)
    assert not found.works
    assert len(abandoned) == 1
    let_go.set()
    async with asyncio.timeout(30):
        while len(abandoned):
            await asyncio.sleep(0.02)


async def test_a_password_that_stands_in_hub_yaml_itself_is_not_shown_either(probed: School) -> None:
    cameras(probed, "fails", more=', password: "open\\u001bsesame"')
    found = (await tried(probed))["camera cam-fails"]
    assert found.message == "the password *** is wrong"


@pytest.mark.sqlite
def test_the_database_is_looked_at(probed: School) -> None:
    cameras(probed, "works")
    probed.enrol("ada")
    answer = probed.fras("check", "--connect")
    assert answer.code == 0
    assert "works  database: answers" in answer.out
    database = probed.folder / "data" / "fras.db"
    for leftover in database.parent.glob("fras.db*"):
        leftover.unlink()
    database.touch()
    assert "works  database: answers; its tables" in probed.fras("check", "--connect").out
    database.write_bytes(b"not a database at all, but long enough to be one" * 100)
    answer = probed.fras("check", "--connect")
    assert answer.code == 1
    assert "fails  database: " in answer.out
    assert "; " in answer.out.splitlines()[1], "no next step"


@pytest.mark.sqlite
def test_the_command_says_so_and_answers_with_its_exit_code(probed: School) -> None:
    cameras(probed, "works", "fails")
    answer = probed.fras("check", "--connect")
    assert answer.code == 1
    data, *others = answer.out.splitlines()
    assert re.fullmatch(r"works  data folder: [\d.]+ GB free; it is made at the first start", data)
    assert others == [
        "works  database: the file is made at the first start",
        "works  recognizer (colours): nothing to try",
        "works  storage (local_disk): in the data folder",
        "works  camera cam-works (probed): seen by cam-works",
        "fails  camera cam-fails (probed): the password None is wrong; look it up",
    ]
    lines = probed.fras("check", "--connect", "--json").lines
    assert [line["works"] for line in lines] == [True] * 5 + [False]
    assert lines[-1] == {
        "service": "camera cam-fails",
        "platform": "probed",
        "works": False,
        "message": "the password None is wrong",
        "hint": "look it up",
    }
    cameras(probed, "works")
    assert probed.fras("check", "--connect").code == 0


def test_nothing_is_tried_of_a_wrong_configuration(probed: School) -> None:
    cameras(probed, "works", more=", bogus: 1")
    answer = probed.fras("check", "--connect")
    assert answer.code == 1
    assert "works" not in answer.out.replace("cam-works", "")
    assert probed.fras("check", "--connect", "--schema").code == 2


@pytest.mark.sqlite
def test_a_database_server_that_is_not_there(school: School) -> None:
    file = school.folder / "hub.yaml"
    url = "postgresql://fras:hunter2@127.0.0.1:9/fras"
    file.write_text(file.read_text("utf-8").replace("hub: {", f'hub: {{database: "{url}", '), "utf-8")
    answer = school.fras("check", "--connect")
    assert answer.code == 1
    assert answer.out.splitlines()[1].startswith("fails  database: ")
    assert "fault of the plugin" not in answer.out
    assert "hunter2" not in answer.out + answer.err
