"""A school in one file and back on another machine; and every way that file can be wrong."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub import archive, restoring
from hub.backup import _Hold
from hub.cli.commands import fras
from hub.db import schema, snapshot
from hub.picture_keys import NAME, keys_of
from tests.support.fras import School

pytestmark = pytest.mark.sqlite


def kept(school: School, name: str = "fras.tar") -> Path:
    target = school.folder / name
    answer = school.fras("backup", str(target))
    assert answer.code == 0, answer.err
    return target


@pytest.fixture(scope="module")
def archived(filmed_once: Path) -> Path:
    """A backup of the filmed school, to be copied and spoilt."""
    target = filmed_once.parent / "archived.tar"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(filmed_once / "site")
        answer = CliRunner().invoke(fras(), ["backup", str(target), "-c", str(filmed_once / "hub.yaml")])
    assert answer.exit_code == 0, answer.stderr
    return target


@pytest.fixture
def occupied(school: School) -> School:
    """A school whose data folder holds something that must not be touched."""
    (school.folder / "data").mkdir()
    (school.folder / "data" / "fras.db").write_bytes(b"what was there")
    return school


def untouched(school: School) -> bool:
    return tree(school.folder / "data") == {"fras.db": b"what was there", "hub.lock": b"%d\n" % os.getpid()}


def elsewhere(school: School, tmp_path_factory: pytest.TempPathFactory) -> School:
    """Another machine: FRAS is installed there, and nothing else of the school."""
    other = School(tmp_path_factory.mktemp("machine"))
    (other.folder / "hub.yaml").unlink()
    return other


def register(school: School) -> str:
    answer = school.fras("attendance", "--date", "2026-11-16", "--json")
    assert answer.code == 0, answer.err
    return answer.out


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def written(
    file: Path, content: dict[str, bytes], change: Callable[[tarfile.TarInfo], None] = lambda info: None
) -> Path:
    with tarfile.open(file, "w") as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            change(info)
            tar.addfile(info, io.BytesIO(data))
    return file


def summed(content: dict[str, bytes]) -> dict[str, bytes]:
    """`content` with the hashes it really has, as somebody who means harm would write them."""
    content = {name: data for name, data in content.items() if name != archive.SUMS}
    sums = b"".join(archive._line(archive.hashlib.sha256(data).hexdigest(), name) for name, data in content.items())
    return content | {archive.SUMS: sums}


def test_a_school_comes_back_on_another_machine(filmed: School, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = kept(filmed)
    assert file.stat().st_mode & 0o777 == 0o600
    other = elsewhere(filmed, tmp_path_factory)
    answer = other.fras("restore", str(file))
    assert answer.code == 0, answer.err
    assert "restored Test School as of" in answer.err
    assert (other.folder / "hub.yaml").read_bytes() == (filmed.folder / "hub.yaml").read_bytes()
    assert register(other) == register(filmed)
    verified = other.fras("audit", "verify")
    derived = re.search(r"(\d+) days derived again, (\d+) the same byte for byte", verified.err)
    assert derived, verified.err
    assert (verified.code, derived[1]) == (0, derived[2]), "one, and on a school day today's"
    pictures = "data/plugins/storage/local_disk"
    assert tree(other.folder / pictures) == tree(filmed.folder / pictures) != {}
    assert other.fras("people", "list", "--json").out == filmed.fras("people", "list", "--json").out
    assert (
        other.fras("identify", str(filmed.folder / "incoming" / "f004.png"), "--json").lines[0]["faces"][0]["person"]
        == "ada"
    )
    assert keys_of(other.folder / "data") == keys_of(filmed.folder / "data"), "it looks after what the other stored"
    assert not (other.folder / "data" / restoring.STAGED).exists()


def test_its_members_can_be_checked_with_the_tools_of_the_system(filmed: School, tmp_path: Path) -> None:
    file = kept(filmed)
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "-xf", file, "-C", unpacked], check=True)
    subprocess.run(["sha256sum", "--quiet", "-c", archive.SUMS], cwd=unpacked, check=True)
    manifest = json.loads((unpacked / archive.MANIFEST).read_text())
    assert (manifest["format"], manifest["school"]) == ("fras-backup", "Test School")
    assert (unpacked / "config/hub.yaml").is_file()


def test_secrets_stay_out_and_included_files_come_along(
    filmed: School, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = (filmed.folder / "hub.yaml").read_text("utf-8")
    head, _, lectures = text.partition("  timetable:\n")
    (filmed.folder / "hub.yaml").write_text(
        head.replace("name: Test School", "name: !secret school") + "  timetable: !include more/timetable.yaml\n"
    )
    (filmed.folder / "more").mkdir()
    (filmed.folder / "more" / "timetable.yaml").write_text(lectures.replace("    - ", "- "))
    (filmed.folder / "secrets.yaml").write_text('school: "Hidden School"\n')
    file = kept(filmed)
    assert {name for name in members(file) if name.startswith("config/")} == {
        "config/hub.yaml",
        "config/more/timetable.yaml",
    }
    other = elsewhere(filmed, tmp_path_factory)
    answer = other.fras("restore", str(file))
    assert answer.code == 1
    assert "secrets.yaml" in answer.err
    assert not (other.folder / "hub.yaml").exists(), "nothing is left behind"
    (other.folder / "secrets.yaml").write_text('school: "Hidden School"\n')
    assert other.fras("restore", str(file)).code == 0
    assert register(other) == register(filmed)


def test_a_folder_with_something_in_it_is_refused_and_with_force_moved_aside(filmed: School) -> None:
    file = kept(filmed)
    before = register(filmed)
    filmed.fras("people", "add", "dee")
    (filmed.folder / "data" / NAME).write_text("5c400151\n")  # another hub's than the backup's
    answer = filmed.fras("restore", str(file))
    assert answer.code == 1
    assert "is not empty; name another with --data, or add --force" in answer.err
    answer = filmed.fras("restore", str(file), "--force")
    assert answer.code == 0, answer.err
    assert register(filmed) == before
    (aside,) = (filmed.folder / "data").glob(f"{restoring.ASIDE}*")
    with closing(sqlite3.connect(aside / "fras.db")) as database:
        assert database.execute("SELECT count(*) FROM people WHERE id = 'dee'").fetchone() == (1,)
    assert "nobody has objected or was removed since" in answer.err
    keys = keys_of(filmed.folder / "data")
    assert (keys.mark, len(keys.succeeded)) == (0x5C400151, 1)


def objecting(school: School) -> Path:
    """A backup after which bob's parent withdraws and ada is removed."""
    file = kept(school)
    answer = school.fras("people", "consent", "bob", "withdrawn", "--signed-by", "the other parent")
    assert answer.code == 0, answer.err
    assert school.fras("people", "remove", "ada").code == 0
    return file


def heeded(school: School, err: str) -> None:
    """Neither of them is recognised, nor a picture of them left; of the one only a hash."""
    assert "objections made since are in force: bob" in err
    assert "removed since, and removed again: ada" in err
    people = {one["person"]: one for one in school.fras("people", "list", "--json").lines}
    assert "ada" not in people
    bob = people["bob"]
    assert (bob["consent"], bob["images"]) == ("withdrawn", 0)
    said = school.fras("people", "show", "bob", "--json").lines[0]["events"]
    assert [(event["signer"], event["state"]) for event in said[1:]] == [("the other parent", "withdrawn")]
    assert len(tree(school.folder / "data/plugins/storage/local_disk")) == people["cem"]["images"] == 2
    assert "ada" not in (school.folder / "data/objections.jsonl").read_text()
    assert school.fras("audit", "verify").code == 0


def test_no_objection_is_undone(filmed: School) -> None:
    file = objecting(filmed)
    for _ in range(2):  # what was heeded is known the next time, too
        answer = filmed.fras("restore", str(file), "--force")
        assert answer.code == 0, answer.err
        heeded(filmed, answer.err)


def test_objections_heeded_on_another_machine(filmed: School, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = objecting(filmed)
    other = elsewhere(filmed, tmp_path_factory)
    (other.folder / "data").mkdir()
    shutil.copy(filmed.folder / "data/objections.jsonl", other.folder / "data")
    answer = other.fras("restore", str(file))
    assert answer.code == 0, answer.err
    heeded(other, answer.err)


def test_a_newer_backup_knows_the_objections_for_an_older_one(
    filmed: School, tmp_path_factory: pytest.TempPathFactory
) -> None:
    older = objecting(filmed)
    newer = kept(filmed, "newer.tar")
    other = elsewhere(filmed, tmp_path_factory)
    answer = other.fras("restore", str(newer))
    assert "objections.jsonl of the data that were lost was not there: who objected" in answer.err
    answer = other.fras("restore", str(older), "--force")
    heeded(other, answer.err)


def test_a_database_put_back_by_hand_is_told_at_the_next_start(filmed: School) -> None:
    earlier = {file: file.read_bytes() for file in (filmed.folder / "data").glob("fras.db*")}
    objecting(filmed)
    for file in (filmed.folder / "data").glob("fras.db*"):
        file.unlink()
    for file, content in earlier.items():
        file.write_bytes(content)
    answer = filmed.fras("run", "--until-done")
    assert "the database did not know of 1 people's objections and of 1 removals" in answer.err
    people = {one["person"]: one["consent"] for one in filmed.fras("people", "list", "--json").lines}
    assert (people["bob"], "ada" in people) == ("withdrawn", False)
    assert "did not know" not in filmed.fras("run", "--until-done").err


def test_an_id_given_anew_is_not_the_person_who_was_removed(filmed: School) -> None:
    objecting(filmed)
    again = filmed.portraits("ada", folder="again")
    assert filmed.fras("enroll", str(again), "--consent", "granted", "--signed-by", "a parent").code == 0
    answer = filmed.fras("restore", str(kept(filmed)), "--force")
    assert "nobody has objected or was removed since" in answer.err
    images = {one["person"]: one["images"] for one in filmed.fras("people", "list", "--json").lines}
    assert (images["ada"], images["bob"]) == (2, 0)


def test_two_restores_in_one_second_keep_what_each_replaced(tmp_path: Path) -> None:
    now = datetime(2026, 11, 16, 9, tzinfo=UTC)
    for number in range(3):
        new = tmp_path / restoring.STAGED / "new"
        new.mkdir(parents=True)
        (new / "fras.db").write_text(str(number))
        restoring.exchange(tmp_path, new, new / "fras.db", tmp_path / "fras.db", now + timedelta(microseconds=number))
        shutil.rmtree(tmp_path / restoring.STAGED)
    kept = sorted(file.read_text() for file in tmp_path.glob(f"{restoring.ASIDE}*/fras.db"))
    assert kept == ["0", "1"]


def test_a_configuration_that_is_there_is_kept(filmed: School, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = kept(filmed)
    other = School(tmp_path_factory.mktemp("machine"))
    own = (other.folder / "hub.yaml").read_text("utf-8").replace("Test School", "Own Name")
    (other.folder / "hub.yaml").write_text(own)
    answer = other.fras("restore", str(file))
    assert "hub.yaml was kept as it is" in answer.err
    assert (other.folder / "hub.yaml").read_text() == own
    assert (other.folder / "hub.yaml.from-backup").read_bytes() == (filmed.folder / "hub.yaml").read_bytes()


def test_a_database_outside_of_the_data_folder(filmed: School, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = kept(filmed)
    other = School(tmp_path_factory.mktemp("machine"))
    place = other.folder / "elsewhere.db"
    text = (other.folder / "hub.yaml").read_text("utf-8")
    (other.folder / "hub.yaml").write_text(
        text.replace("time_zone: Europe/Berlin", f'time_zone: Europe/Berlin, database: "sqlite:///{place}"')
    )
    place.write_bytes(b"something else")
    answer = other.fras("restore", str(file))
    assert (answer.code, f"the database {place} exists" in answer.err) == (1, True)
    answer = other.fras("restore", str(file), "--force")
    assert answer.code == 0, answer.err
    assert register(other) == register(filmed)
    assert [path.read_bytes() for path in other.folder.glob("elsewhere.db.before-restore-*")] == [b"something else"]


CASES: dict[str, tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = {
    "a bit of the database": (
        lambda m: m | {"database": m["database"][:5000] + b"\x01" + m["database"][5001:]},
        "database is not what was kept",
    ),
    "a picture left out": (
        lambda m: {name: data for name, data in m.items() if name != next(n for n in m if n.startswith("storage/"))},
        "is not what was kept",
    ),
    "no hashes": (lambda m: {n: d for n, d in m.items() if n != archive.SUMS}, "is cut off"),
    "a member that leads out": (lambda m: summed(m | {"storage/../../evil": b"x"}), "which no backup of FRAS has"),
    "an absolute member": (lambda m: summed(m | {"/tmp/evil": b"x"}), "which no backup of FRAS has"),
    "an unknown member": (lambda m: summed(m | {"evil": b"x"}), "which no backup of FRAS has"),
    "a configuration that leads out": (lambda m: summed(m | {"config/../../evil": b"x"}), "no backup of FRAS has"),
    "no database": (lambda m: summed({n: d for n, d in m.items() if n != "database"}), "holds no database"),
    "a database that is none": (lambda m: summed(m | {"database": b"x" * 9000}), "cannot be copied"),
    "a newer schema": (
        lambda m: summed(m | {"manifest.json": m["manifest.json"].replace(f'"{schema.HEAD}"'.encode(), b'"9999"')}),
        f"newer than the {schema.HEAD} this FRAS knows; install the newer FRAS",
    ),
    "a newer format": (
        lambda m: summed(m | {"manifest.json": m["manifest.json"].replace(b'version": 1', b'version": 2')}),
        "the backup has format 2",
    ),
    "another program's manifest": (lambda m: m | {"manifest.json": b"{}"}, "is not a backup of FRAS"),
    "a manifest of another shape": (lambda m: m | {"manifest.json": b"[1]"}, "is not a backup of FRAS"),
    "another program's archive": (lambda m: {"readme.txt": b"hello"}, "is not a backup of FRAS"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_what_was_kept_is_refused_and_nothing_touched(archived: Path, occupied: School, case: str) -> None:
    change, said = CASES[case]
    bad = written(occupied.folder / "bad.tar", change(members(archived)))
    answer = occupied.fras("restore", str(bad), "--force")
    assert answer.code == 1
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert untouched(occupied)
    assert not list(occupied.folder.parent.rglob("evil"))


def test_links_and_devices_are_refused(archived: Path, occupied: School) -> None:
    content = members(archived) | {"storage/link": b""}

    def link(info: tarfile.TarInfo) -> None:
        if info.name == "storage/link":
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"

    bad = written(occupied.folder / "bad.tar", summed(content), link)
    answer = occupied.fras("restore", str(bad), "--force")
    assert (answer.code, "holds 'storage/link', which no backup of FRAS has" in answer.err) == (1, True)
    assert untouched(occupied)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.95])
def test_a_cut_archive_is_refused(archived: Path, occupied: School, share: float) -> None:
    file = Path(shutil.copy(archived, occupied.folder / "cut.tar"))
    os.truncate(file, int(file.stat().st_size * share))
    answer = occupied.fras("restore", str(file), "--force")
    assert answer.code == 1
    assert "is damaged" in answer.err or "is not a backup of FRAS" in answer.err
    assert untouched(occupied)


def test_files_that_are_no_archive(filmed: School) -> None:
    assert "cannot be read: No such file" in filmed.fras("restore", str(filmed.folder / "none"), "--force").err
    assert "is not a backup of FRAS" in filmed.fras("restore", str(filmed.folder / "hub.yaml"), "--force").err
    assert "is a folder; name a file" in filmed.fras("backup", str(filmed.folder)).err
    assert "check that its folder exists" in filmed.fras("backup", str(filmed.folder / "no" / "where")).err


def test_beside_a_running_hub_that_writes(school: School, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is acknowledged when the backup begins is in it: recognised, or waiting with its file."""
    from tests.hub.cli.test_interrupted import FRAMES, facts, film, ledger, wait_for_frames

    school.enrol("ada", "bob")
    film(school)
    hub = school.spawn("run")
    try:
        wait_for_frames(school, 40)
        acknowledged = ledger(school.folder / "data").total()
        file = kept(school)
        refused = school.fras("restore", str(file), "--force")
        assert (refused.code, "a hub is already running" in refused.err) == (1, True)
    finally:
        hub.send_signal(signal.SIGTERM)
        hub.communicate(timeout=30)
    assert not list((school.folder / "data").glob(".backup-*"))
    other = elsewhere(school, tmp_path_factory)
    assert other.fras("restore", str(file)).code == 0
    found = ledger(other.folder / "data")
    assert found.total() >= acknowledged
    assert found["pending"] == len(list((other.folder / "data" / "inbox").glob("*")))
    shutil.copytree(school.folder / "incoming", other.folder / "incoming", dirs_exist_ok=True)
    assert other.fras("run", "--until-done").code == 0
    done = facts(other.folder / "data")
    assert (done["frames"], done["pending"], done["rejected"], done["crops without a file"]) == (FRAMES, 0, 0, 0)


def test_a_frame_recognised_while_its_backup_is_made_keeps_its_file(tmp_path: Path) -> None:
    inbox, held = tmp_path / "inbox", tmp_path / "held"
    inbox.mkdir()
    held.mkdir()
    database = tmp_path / "fras.db"
    frame = "018f0000-0000-7000-8000-000000000000"
    (inbox / frame).write_bytes(b"jpeg")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE frames (id TEXT, outcome TEXT)")
        connection.execute("INSERT INTO frames VALUES (?, 'pending')", (frame.replace("-", ""),))
        connection.commit()
        hold = _Hold(inbox, held)

        def meanwhile(frames: list[str]) -> None:
            hold(frames)
            with closing(sqlite3.connect(database, timeout=0)) as hub, pytest.raises(sqlite3.OperationalError):
                hub.execute("UPDATE frames SET outcome = 'empty'")

        snapshot.copy(database, tmp_path / "copy", meanwhile, threading.Event())
        connection.execute("UPDATE frames SET outcome = 'empty'")
        connection.commit()
    (inbox / frame).unlink()
    assert (held / frame).read_bytes() == b"jpeg"
    with closing(sqlite3.connect(tmp_path / "copy")) as copy:
        assert copy.execute("SELECT * FROM frames").fetchall() == [(frame.replace("-", ""), "pending")]


def test_a_full_disk_leaves_the_last_backup(filmed: School, monkeypatch: pytest.MonkeyPatch) -> None:
    file = kept(filmed)
    before = file.read_bytes()
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000)); "
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "from hub.cli import main; sys.argv[0] = 'fras'; main()"
    )
    path = os.pathsep.join([str(filmed.site), str(Path(__file__).parents[3])])
    done = subprocess.run(
        [os.sys.executable, "-c", script, "backup", str(file), "-c", str(filmed.folder / "hub.yaml")],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 1
    assert "no room" in done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_bytes() == before
    assert not [path for path in filmed.folder.iterdir() if path.name.startswith(".fras.tar")]


def test_a_restore_without_room_leaves_everything_as_it_was(filmed: School, monkeypatch: pytest.MonkeyPatch) -> None:
    file = kept(filmed)
    before = tree(filmed.folder / "data")
    moved = 0

    def rename(self: Path, target: Path, real: Callable[[Path, Path], Path] = Path.rename) -> Path:
        nonlocal moved
        if restoring.STAGED in str(self) and self.parent.name == "new":
            raise OSError(28, "No space left on device", str(target))
        moved += 1
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    answer = filmed.fras("restore", str(file), "--force")
    assert moved > 2, "what was there had been moved aside, and back"
    assert (answer.code, "no room in the data folder" in answer.err) == (1, True)
    assert tree(filmed.folder / "data") == before


def test_a_half_exchanged_folder_is_not_run_on(filmed: School) -> None:
    (filmed.folder / "data" / restoring.HALF).touch()
    answer = filmed.fras("run", "--until-done")
    assert (answer.code, "was interrupted half-way; run fras restore FILE --force again" in answer.err) == (1, True)


def test_ctrl_c_leaves_nothing_behind(filmed: School) -> None:
    with closing(sqlite3.connect(filmed.folder / "data" / "fras.db")) as database:
        database.execute("CREATE TABLE ballast (bytes BLOB)")
        database.executemany("INSERT INTO ballast VALUES (zeroblob(1000000))", [()] * 300)
        database.commit()
    target = filmed.folder / "fras.tar"
    backup = filmed.spawn("backup", str(target))
    end = time.monotonic() + 20
    while not list(filmed.folder.glob(".fras.tar.*")) and time.monotonic() < end:
        time.sleep(0.01)
    backup.send_signal(signal.SIGINT)
    _, err = backup.communicate(timeout=30)
    assert backup.returncode == 1, err
    assert "Traceback" not in err
    assert not list(filmed.folder.glob("*fras.tar*"))
    assert not list((filmed.folder / "data").glob(".backup-*"))
