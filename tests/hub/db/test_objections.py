"""What no backup may undo is on disk before it is in the database, and of whoever is erased nothing but a hash."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.db import consent, objections, people
from hub.db.engine import open_database
from hub.db.errors import DatabaseError
from hub.db.objections import NAME, Entry, Erased, Objection, Removed, hash_of, keep, read
from hub.db.people import Person
from hub.failure import Failure
from hub.recognition.consent import OBJECTIONS, Consent
from tests.support.fras import ROOT

START = datetime(2026, 11, 16, 9, tzinfo=UTC)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def objection(person: str, second: int) -> Objection:
    return Objection(person, "a parent", Consent.WITHDRAWN, at(second), "")


def erased(person: str, second: int) -> Erased:
    return Erased(hash_of(person), at(second))


persons = st.sampled_from(["ada", "bob", "çem\u2028"])
moments = st.integers(0, 9).map(at)
entries = st.one_of(
    st.builds(Objection, persons, st.text(), st.sampled_from(OBJECTIONS), moments, st.text()),
    st.builds(Erased, persons.map(hash_of), moments),
    st.builds(Removed, st.sampled_from(["n-0", "n-1"]), moments),
)


@settings(deadline=None, max_examples=50)  # each syncs a disk
@given(st.lists(st.lists(entries, max_size=4), max_size=4))
def test_whatever_the_order_nothing_is_lost_and_nothing_outlives_an_erasure(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Entry]]
) -> None:
    file = tmp_path_factory.mktemp("data") / NAME
    for batch in batches:
        keep(file, batch)
    told = {entry for batch in batches for entry in batch}
    gone = {
        who: max(entry.at for entry in told if isinstance(entry, Erased) and entry.who == who)
        for who in {entry.who for entry in told if isinstance(entry, Erased)}
    }
    later = {
        entry
        for entry in told
        if isinstance(entry, Objection) and entry.at > gone.get(hash_of(entry.person), START - timedelta(1))
    }
    kept = read(file) if batches else []
    assert len(kept) == len(set(kept))
    removed = {entry for entry in told if isinstance(entry, Removed)}
    assert set(kept) == later | removed | {Erased(who, at) for who, at in gone.items()}


def test_it_says_neither_id_nor_signer_of_whoever_was_erased(tmp_path: Path) -> None:
    keep(tmp_path / NAME, [objection("ada", 1), objection("bob", 2)])
    keep(tmp_path / NAME, [erased("ada", 3)])
    text = (tmp_path / NAME).read_text()
    assert ("ada" in text, "bob" in text, (tmp_path / NAME).stat().st_mode & 0o777) == (False, True, 0o600)


def test_several_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    script = (
        "import sys; from datetime import *; from pathlib import Path; from hub.db.objections import *\n"
        "for second in range(20):\n"
        " said = Objection(sys.argv[2], 'x', Consent.REFUSED, datetime.fromtimestamp(second, UTC), '')\n"
        " keep(Path(sys.argv[1]) / NAME, [said])"
    )
    words: Iterable[str] = [sys.executable, "-c", script, str(tmp_path)]
    writers = [subprocess.Popen([*words, person], cwd=ROOT) for person in ("ada", "bob")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(read(tmp_path / NAME)) == 40


@pytest.mark.parametrize("line", ["{", "[]", '{"at": "2026-11-16T09:00:00+00:00"}', '{"erased": "x", "at": "soon"}'])
def test_a_damaged_file_is_said_to_be(tmp_path: Path, line: str) -> None:
    (tmp_path / NAME).write_text(line + "\n")
    with pytest.raises(Failure, match=r"objections\.jsonl is damaged"):
        read(tmp_path / NAME)


async def test_every_way_into_the_database_is_noted_and_only_what_was_committed_there(tmp_path: Path) -> None:
    file = tmp_path / NAME
    async with open_database(f"sqlite:///{tmp_path / 'fras.db'}", objections=file) as database:
        assert read(file) == []
        async with database.write() as connection:
            await people.add(connection, Person("ada", "Ada"), Person("bob", "Bob"))
            for state in Consent.GRANTED, Consent.REFUSED:
                await consent.append(connection, person="ada", signer="x", state=state, at=at(1), notice_version="2")
        assert read(file) == [Objection("ada", "x", Consent.REFUSED, at(1), "2")]
        with suppress(ZeroDivisionError):
            async with database.write() as connection:
                await people.remove(connection, "bob")
                raise ZeroDivisionError
        async with database.write() as connection:
            assert not await people.remove(connection, "nobody")
        assert len(read(file)) == 1
        async with database.write() as connection:
            await people.remove(connection, "ada")
        (left,) = read(file)
        assert isinstance(left, Erased)
        assert left.who == hash_of("ada")


async def test_what_cannot_be_noted_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'fras.db'}", objections=tmp_path / NAME) as database:
        async with database.write() as connection:
            await people.add(connection, Person("ada", "Ada"))

        def full(file: Path, text: str) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(objections, "_replace", full)
        with pytest.raises(DatabaseError, match="No space left on device; nothing was recorded"):
            async with database.write() as connection:
                await people.remove(connection, "ada")
        async with database.read() as connection:
            assert await people.get(connection, "ada")
