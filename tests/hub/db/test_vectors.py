"""Templates that PostgreSQL compares itself: the same candidates as in memory, and nobody's without consent."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from hub.db import consent, people, templates
from hub.db.copying import copy
from hub.db.engine import Database, open_database
from hub.db.people import Person
from hub.pipeline.galleries import GalleryKeeper
from hub.plugin import Candidate
from hub.recognition.consent import INVENTED, Consent
from tests.support import postgres
from tests.support.facts import START, SetClock, at
from tests.support.fras import School, save
from tests.support.galleries import enrol_many, with_pgvector, without_pgvector

SIZES = {"small": 128, "middle": 256, "large": 512}
"""Models and their dimensions."""
BASE = np.random.default_rng(7).integers(-3, 4, size=(4, 512)).astype(np.float32)
KINDS = ("a", "b", "c", "near a", "twice a", "opposite of a", "zero", "broken")


def vector(kind: str, model: str) -> np.ndarray:
    """Some are alike to the last bit, some nearly; some say nothing. Whole numbers, whose distances are exact."""
    made = BASE["abc".index(kind[-1]) if kind[-1] in "abc" else 3, : SIZES[model]].copy()
    if kind == "near a":
        made[0] += 1
    if kind == "twice a":
        made *= 2
    if kind == "opposite of a":
        made *= -20
    if kind == "zero":
        made *= 0
    if kind == "broken":
        made[1] = np.nan
    return made


def server_in(folder: Path) -> str:
    return with_pgvector(postgres.database_of(folder))


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


async def enrol(database: Database, *persons: str, model: str = "small") -> None:
    async with database.write() as connection:
        for person in persons:
            await people.add(connection, Person(person, person))
            await consent.append(connection, person=person, signer="x", state=Consent.GRANTED, at=START)
            await templates.replace(connection, person, model, vector(person[0], model), 1, at=START)


async def found(database: Database, probe: str = "a", *, model: str = "small", seconds: float = 1) -> list[str]:
    """Who is searched."""
    keeper = GalleryKeeper(database, model, "cosine", SetClock(at(seconds)))
    (candidates,) = await keeper.search(vector(probe, model)[None], 99)
    return sorted(candidate.person for candidate in candidates)


@contextmanager
def in_memory(database: Database) -> Iterator[None]:
    searches, database.searches = database.searches, False
    try:
        yield
    finally:
        database.searches = searches


@pytest.fixture(scope="module")
def opened(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Callable[[Coroutine[Any, Any, Any]], Any], Database]]:
    """One database for all examples of the property, and the loop that it lives in."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        url = server_in(tmp_path_factory.mktemp("vectors"))
        database = runner.run(stack.enter_async_context(open_database(url)))
        try:
            yield runner.run, database
        finally:
            runner.run(stack.aclose())


WHO = ["ada", "bob", "cem", "dan", "Ünal"]
who = st.sampled_from(WHO)
days = st.integers(-3, 3)
happenings = st.lists(
    st.one_of(
        st.tuples(
            st.just("says"),
            who,
            st.sampled_from([Consent.GRANTED, Consent.GRANTED, Consent.WITHDRAWN, Consent.PENDING]),
            st.sampled_from(["mother", "father", INVENTED]),
            days,
            st.none() | days,
        ),
        st.tuples(st.just("is enrolled"), who, st.sampled_from(list(SIZES)), st.sampled_from(KINDS)),
        st.tuples(st.just("is no more enrolled"), who, st.none() | st.sampled_from(list(SIZES))),
        st.tuples(st.just("leaves"), who),
    ),
    max_size=12,
)


async def happen(database: Database, events: Sequence[tuple[Any, ...]]) -> None:
    async with database.write() as connection:
        for person in await people.all(connection):
            await people.remove(connection, person.id)
        for what, person, *more in events:
            await people.add(connection, Person(person, person))
            if what == "says":
                state, signer, day, expires = more
                until = None if expires is None else START + timedelta(days=expires)
                await consent.append(
                    connection,
                    person=person,
                    signer=signer,
                    state=state,
                    at=START + timedelta(days=day),
                    expires_at=until,
                )
            elif what == "is enrolled":
                await templates.replace(connection, person, more[0], vector(more[1], more[0]), 1, at=START)
            elif what == "is no more enrolled":
                await templates.remove(connection, person, more[0], at=START)
            else:
                await people.remove(connection, person)


def same(these: Sequence[Candidate], those: Sequence[Candidate], everybody: Sequence[Candidate]) -> None:
    """The same scores, and each candidate with theirs: of two that are alike but for rounding either may be there."""
    scores = {candidate.person: candidate.score for candidate in everybody}
    assert [one.score for one in these] == pytest.approx([other.score for other in those], abs=2e-4)
    assert [one.score for one in these] == pytest.approx([scores[one.person] for one in these], abs=2e-4)
    assert len({one.person for one in these}) == len(these)


async def compare(
    database: Database, events: Sequence[tuple[Any, ...]], model: str, metric: str, day: int, k: int
) -> None:
    """Each probe by itself: what one finds would hide what another misses."""
    await happen(database, events)
    for demo in (False, True):
        keepers = [
            GalleryKeeper(database, model, metric, SetClock(START + timedelta(days=day)), invented=demo)
            for _ in range(2)
        ]
        for kind in KINDS:
            probe = vector(kind, model)[None]
            (there,) = await keepers[0].search(probe, k)
            with in_memory(database):
                (here,), (everybody,) = await keepers[1].search(probe, k), await keepers[1].search(probe, 99)
            same(there, here, everybody)


def enrolled(model: str, kinds: Sequence[str]) -> list[tuple[Any, ...]]:
    """What happened first: a person for each kind of template."""
    return [
        happening
        for person, kind in zip(WHO, kinds, strict=False)
        for happening in (("says", person, Consent.GRANTED, "mother", -3, None), ("is enrolled", person, model, kind))
    ]


@example(["zero", "opposite of a"], [], "small", "cosine", 0, 1)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(KINDS), max_size=len(WHO)),
    happenings,
    st.sampled_from(list(SIZES)),
    st.sampled_from(["cosine", "euclidean"]),
    days,
    st.integers(1, 4),
)
def test_whatever_happened_the_same_is_found_as_in_memory(
    opened: tuple[Callable[[Coroutine[Any, Any, Any]], Any], Database],
    kinds: Sequence[str],
    events: Sequence[tuple[Any, ...]],
    model: str,
    metric: str,
    day: int,
    k: int,
) -> None:
    run, database = opened
    assert database.searches
    run(compare(database, [*enrolled(model, kinds), *events], model, metric, day, k))


async def test_of_many_the_same_are_found_ties_by_id(tmp_path: Path) -> None:
    """Whole numbers, which no computer rounds."""
    chance = np.random.default_rng(1)
    matrix = chance.integers(-2, 3, size=(900, 128)).astype(np.float32)
    matrix[300:600] = matrix[:300]
    matrix[600:] = 0
    probes = np.concatenate([matrix[:20] + np.eye(20, 128), matrix[50:60], np.zeros((1, 128))]).astype(np.float32)
    ids = [f"{number:03}" for number in chance.permutation(len(matrix))]
    async with open_database(server_in(tmp_path)) as database:
        async with database.write() as connection:
            await enrol_many(connection, ids, matrix, "small")
        keeper = GalleryKeeper(database, "small", "euclidean", SetClock(at(1)))
        there = await keeper.search(probes[:-1], 3) + await keeper.search(probes[-1:], 3)
        with in_memory(database):
            assert there == await keeper.search(probes, 3)
        assert [candidate.person for candidate in there[-1]] == sorted(ids[600:])[:3]
        assert all(first.score == second.score and first.person < second.person for first, second, _ in there)


async def test_it_is_the_database_that_searches(tmp_path: Path) -> None:
    """What it alone could know decides."""
    url = server_in(tmp_path)
    async with open_database(url) as database:
        await enrol(database, "ada", "bob")
        assert await found(database) == ["ada", "bob"]
        postgres.server().sql("UPDATE template_vectors SET stands = '{}' WHERE person = 'ada'", name_of(url))
        assert await found(database) == ["bob"]


async def test_a_withdrawal_counts_when_it_is_committed_and_not_when_it_is_not(tmp_path: Path) -> None:
    async with open_database(server_in(tmp_path)) as database:
        await enrol(database, "ada", "bob")
        with suppress(ZeroDivisionError):
            async with database.write() as connection:
                await consent.append(connection, person="ada", signer="x", state=Consent.WITHDRAWN, at=at(0))
                await templates.remove(connection, "bob", at=START)
                assert await found(database) == ["ada", "bob"]
                raise ZeroDivisionError
        assert await found(database) == ["ada", "bob"]
        async with database.write() as connection:
            await consent.append(connection, person="ada", signer="x", state=Consent.WITHDRAWN, at=at(0))
            await people.remove(connection, "bob")
        assert await found(database) == []


async def test_without_the_extension_it_is_searched_in_memory(tmp_path: Path) -> None:
    async with open_database(without_pgvector(postgres.database_of(tmp_path))) as database:
        await enrol(database, "ada")
        assert not database.searches
        assert await found(database) == ["ada"]


async def test_the_extension_may_come_and_go(tmp_path: Path) -> None:
    url = without_pgvector(postgres.database_of(tmp_path))
    async with open_database(url) as running:
        await enrol(running, "ada", "bob")
        with_pgvector(url)
        async with open_database(url, read_only=True) as reading:
            assert not reading.searches
        async with open_database(url) as database:
            assert database.searches
            await enrol(running, "cem")  # by a process that began before
            assert await found(database) == ["ada", "bob", "cem"]
    without_pgvector(url)
    async with open_database(url) as database:
        assert not database.searches
        await enrol(database, "dan")
        assert await found(database) == ["ada", "bob", "cem", "dan"]
    with_pgvector(url)
    async with open_database(url) as database:
        assert database.searches
        assert await found(database) == ["ada", "bob", "cem", "dan"]


async def test_what_is_incomplete_is_not_searched_and_made_anew(tmp_path: Path) -> None:
    url = server_in(tmp_path)
    async with open_database(url) as database:
        await enrol(database, *(f"a{number}" for number in range(5)))
        everybody = await found(database)
    postgres.server().sql("DELETE FROM template_vectors WHERE person = 'a3'", name_of(url))
    async with open_database(url, read_only=True) as database:
        assert not database.searches
        assert await found(database) == everybody
    async with open_database(url) as database:
        assert database.searches
        assert await found(database) == everybody


async def test_a_copied_school_is_searched_and_copied_back(tmp_path: Path) -> None:
    here, there, back = f"sqlite:///{tmp_path}/here.db", server_in(tmp_path), f"sqlite:///{tmp_path}/back.db"
    async with open_database(here) as database:
        await enrol(database, "ada", "bob", "cem")
        assert not database.searches
        expected = await found(database)
    sent = await copy(here, there)
    async with open_database(there) as database:
        assert database.searches
        assert await found(database) == expected
    assert await copy(there, back) == sent


async def test_a_dump_brings_it_back(tmp_path: Path) -> None:
    server, url = postgres.server(), server_in(tmp_path)
    async with open_database(url) as database:
        await enrol(database, "ada", "bob")
        expected = await found(database)
    restored = postgres.empty_database(name_of(url) + "r")
    dump = await asyncio.to_thread(
        subprocess.run, [server.programs / "pg_dump", "--format=custom", url], capture_output=True, check=True
    )
    words = [server.programs / "pg_restore", "--no-owner", f"--dbname={restored}"]
    await asyncio.to_thread(subprocess.run, words, input=dump.stdout, check=True)
    async with open_database(restored, read_only=True) as database, database.read() as connection:
        assert database.searches
        assert await found(database) == expected
        assert (await connection.execute(text("SELECT count(*) FROM template_vectors"))).scalar() == 2


def test_commands_search_there_and_say_so(school: School) -> None:
    picture = str(save(school.folder / "asked.png", "ada", "bob"))
    url = without_pgvector(postgres.database_of(school.folder))
    hub_yaml = school.folder / "hub.yaml"
    if url not in hub_yaml.read_text("utf-8"):
        hub_yaml.write_text(hub_yaml.read_text("utf-8").replace("hub: {", f'hub: {{database: "{url}", ', 1), "utf-8")
    school.enrol("ada", "bob", "cem")
    in_memory = school.fras("identify", picture, "--json")
    assert "database: answers; faces are compared in memory" in school.fras("check", "--connect").out
    with_pgvector(url)
    school.enrol("ada", "bob", "cem")
    there = school.fras("identify", picture, "--json")
    assert there.lines == in_memory.lines
    assert [face["person"] for face in there.lines[0]["faces"]] == ["ada", "bob"]
    assert "database: answers; faces are compared in it, by pgvector" in school.fras("check", "--connect").out
    assert school.fras("people", "consent", "ada", "withdrawn", "--signed-by", "a parent").code == 0
    assert postgres.server().sql("SELECT person FROM template_vectors ORDER BY person", name_of(url)) == "bob\ncem"
