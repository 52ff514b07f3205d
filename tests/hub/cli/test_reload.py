"""A changed hub.yaml reaches a running hub: checked first, only what changed restarts, and no frame is lost."""

from __future__ import annotations

import signal
import stat
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hub.control import NAME
from tests.hub.cli.test_interrupted import ledger
from tests.support.facts import asked
from tests.support.fras import School
from tests.support.running import RunningHub, change, eventually, free_port, get, running

NINE = datetime(2026, 11, 16, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub for all tests: starting it takes seconds, reloading it milliseconds."""
    school = School(tmp_path_factory.mktemp("reload"))
    change(school, "mode: once", "mode: watch")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(school.site)
        school.enrol("ada")
        with running(school) as hub:
            hub.says("door: running")
            hub.says("running; Ctrl-C stops")
            yield hub
            assert hub.stop() == 0


@pytest.fixture
def hub(lasting: RunningHub) -> Iterator[RunningHub]:
    """As it was at first."""
    config = lasting.school.folder / "hub.yaml"
    before = config.read_bytes()
    lasting.forget()
    yield lasting
    config.write_bytes(before)
    assert lasting.reload().code == 0, lasting.log


_numbers = iter(range(100_000))


def see(school: School, *people: str, at: datetime | None = None) -> None:
    """A new frame; by default at a time of its own."""
    number = next(_numbers)
    school.frame(f"{number:05}.png", at or NINE + timedelta(days=7, seconds=number), *people)


def recognised(school: School) -> int:
    return ledger(school.folder / "data")["recognised"]


def test_what_has_not_changed_goes_on(hub: RunningHub) -> None:
    answer = hub.reload()
    assert (answer.code, answer.err) == (0, "nothing has changed\n")
    file = hub.school.folder / "hub.yaml"
    file.write_text("# a comment\n\n" + file.read_text())
    assert hub.reload().err == "nothing has changed\n"
    assert "running" not in hub.log


def test_every_problem_is_said_and_the_hub_goes_on(hub: RunningHub) -> None:
    change(hub.school, "path: incoming", "pth: incoming")
    change(hub.school, "mon-fri", "mon-fry")
    answer = hub.reload()
    assert answer.code == 1
    assert "hub.yaml, line 6: Invalid config for 'folder': 'pth' is an invalid option" in answer.err
    assert "line 9" in answer.err
    assert "mon-fry" in answer.err or "not days of the week" in answer.err
    assert answer.err.endswith("the hub goes on with the last good configuration\n")
    before = recognised(hub.school)
    see(hub.school, "ada")
    eventually("recognised", lambda: recognised(hub.school) == before + 1)
    change(hub.school, "pth: incoming", "path: incoming")
    change(hub.school, "mon-fry", "mon-fri")
    assert hub.reload().err == "nothing has changed\n"


def test_cameras_come_go_and_change_and_the_others_go_on(hub: RunningHub) -> None:
    school = hub.school
    door = '- {platform: folder, id: door, room: "101", path: incoming, mode: watch}'
    change(school, door, door + '\n  - {platform: folder, id: back, room: "102", path: more, mode: watch}')
    (school.folder / "more").mkdir()
    assert hub.reload().err == "camera back: added\n"
    hub.says("back: running")
    change(school, 'room: "102", path: more', 'room: "103", path: more')
    assert hub.reload().err == "cameras: rooms in force\n"
    change(school, "path: more, mode: watch", "path: more, mode: loop")
    assert hub.reload().err == "camera back: restarted\n"
    hub.says("back: running", times=2)
    before = recognised(school)
    see(school, "ada")
    eventually("recognised by the camera that went on", lambda: recognised(school) == before + 1)
    change(school, door + "\n  ", "")
    assert hub.reload().err == "camera door: removed\n"
    assert "door: running" not in hub.log
    assert hub.log.count("back: running") == 2


def test_timetable_and_rules_hold_at_once(hub: RunningHub) -> None:
    before = ledger(hub.school.folder / "data").total()
    for minute in range(50):
        see(hub.school, *(["ada"] if minute == 12 else []), at=NINE + timedelta(minutes=minute))
    eventually("all recognised", lambda: ledger(hub.school.folder / "data").total() == before + 50)
    eventually("none waits", lambda: not ledger(hub.school.folder / "data")["pending"])
    lines = hub.school.fras("attendance", "--date", "2026-11-16", "--json").lines
    assert [line["status"] for line in lines] == ["late"]
    change(hub.school, "  timetable:", "  late_after: 15 min\n  timetable:")
    assert hub.reload().err == "rules: in force\n"
    see(hub.school, at=NINE + timedelta(minutes=51))  # news of that day

    def stored() -> list[tuple[str]]:
        return asked(hub.school.folder, "SELECT status FROM marks WHERE date = '2026-11-16'")

    eventually("the stored mark follows", lambda: stored() == [("present",)])


def test_another_recogniser_while_frames_wait_loses_none(hub: RunningHub) -> None:
    school = hub.school
    data = school.folder / "data"
    eventually("nothing waits", lambda: not ledger(data)["pending"])
    before = ledger(data).total()
    change(school, "platform: colours", "platform: colours, pause: 0.3")
    assert hub.reload().err == "recognizer: restarted\n"
    for _ in range(60):
        see(school, "ada")
    eventually("some are recognised", lambda: ledger(data)["pending"] and ledger(data).total() > before + 8)
    change(school, "pause: 0.3", "pause: 0.1")
    change(school, "platform: local_disk", "platform: local_disk, path: pictures")
    assert set(hub.reload().err.splitlines()) == {"recognizer: restarted", "storage: restarted"}
    frames = len(list((school.folder / "incoming").iterdir()))
    eventually("all recognised", lambda: ledger(data).total() >= frames and not ledger(data)["pending"])
    assert (ledger(data).total(), ledger(data)["rejected"]) == (frames, 0)
    keys = {key for (key,) in asked(school.folder, "SELECT key FROM crops")}
    (seen,) = asked(school.folder, "SELECT count(*), count(DISTINCT frame_id) FROM observations")
    assert seen == (len(keys), len(keys)) == (recognised(school),) * 2
    first, then = data / "plugins/storage/local_disk", school.folder / "pictures"
    assert all((first / key).is_file() != (then / key).is_file() for key in keys)
    assert len(list(then.glob("crops/*/*.jpg"))) > 0, "it was exchanged in the middle of them"


def test_a_recogniser_that_does_not_open_leaves_the_one_before(hub: RunningHub) -> None:
    change(hub.school, "platform: colours", "platform: colours, fails: no key")
    change(hub.school, "platform: local_disk", "platform: local_disk, path: elsewhere")
    answer = hub.reload()
    assert answer.code == 1
    assert "no key; give it what it lacks" in answer.err
    before = recognised(hub.school)
    see(hub.school, "ada")
    eventually("recognised all the same", lambda: recognised(hub.school) == before + 1)
    assert not (hub.school.folder / "elsewhere" / "crops").exists(), "storage, too, is the one before"


def test_the_panel_moves_to_another_port(hub: RunningHub) -> None:
    before = hub.address
    port = free_port()
    change(hub.school, "{port: 0}", f"{{port: {port}}}")
    assert hub.reload().err == "http: listens anew\n"
    assert get(f"http://127.0.0.1:{port}/").status == 200
    with pytest.raises(OSError, match="refused"):
        get(before)
    change(hub.school, f"{{port: {port}}}", f"{{port: {port}, host: localhost}}")
    hub.reload()
    assert get(f"http://localhost:{port}/").status == 200


def test_another_time_zone_starts_the_hub_anew(hub: RunningHub) -> None:
    change(hub.school, "Europe/Berlin", "Europe/London")
    answer = hub.reload()
    assert answer.code == 0
    assert answer.err == "hub->time_zone has changed: the hub starts anew\nthe hub runs\n"
    hub.says("door: running")
    before = recognised(hub.school)
    see(hub.school, "ada")
    eventually("recognised", lambda: recognised(hub.school) == before + 1)


def test_sighup_does_the_same(hub: RunningHub) -> None:
    change(hub.school, "Test School", "New Name")
    hub.process.send_signal(signal.SIGHUP)
    hub.says("reload: school: name in force")
    change(hub.school, "platform: local_disk", "platform: local_desk")
    hub.process.send_signal(signal.SIGHUP)
    assert "did you mean local_disk" in hub.says("reload: hub.yaml, line")


def test_sighup_is_outlived_from_the_first_moment(tmp_path: Path) -> None:
    school = School(tmp_path)
    with running(school) as hub:
        eventually("it heeds signals", lambda: _caught(hub.process.pid, signal.SIGTERM))
        time.sleep(0.02)  # the next statement
        while "running; Ctrl-C stops" not in hub.log:
            hub.process.send_signal(signal.SIGHUP)
            time.sleep(0.02)
            assert hub.process.poll() is None, hub.log
        assert hub.stop() == 0


def _caught(process: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_only_the_owner_may_ask(hub: RunningHub) -> None:
    mode = (hub.school.folder / "data" / NAME).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert mode & 0o777 == 0o600


def test_without_a_hub_that_is_said(school: School) -> None:
    answer = school.fras("reload")
    assert answer.code == 1
    assert "no hub is running on the data folder" in answer.err
    change(school, "mode: once", "mode: watch")
    with running(school) as hub:
        hub.says("door: running")
    answer = school.fras("reload")
    assert (answer.code, "no hub is running" in answer.err) == (1, True), "it was killed"
    with running(school) as hub:
        hub.says("door: running")
        assert hub.reload().code == 0, "what the killed one left behind is no hindrance, nor that it still starts"
