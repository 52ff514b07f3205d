"""Calls are paced, counted and repeated where that is safe; the service is left alone where it is down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.plugin import NeedsHuman, NotReady
from hub.plugin.testing import make_context
from plugins.recognizers.azure_face.breaker import FAILURES, FIRST_REST, LONGEST_REST, Breaker
from plugins.recognizers.azure_face.errors import CannotIdentify, Unsure
from plugins.recognizers.azure_face.pacing import LONGEST_ASKED, TIERS, Bucket, Tier, of_rate
from plugins.recognizers.azure_face.sheets import sheet_of
from plugins.recognizers.azure_face.spending import BLOCK, FILE, Spending
from tests.support.azure import FakeAzure, crop, faults, serving
from tests.support.azure.client import ManualClock, api, opened, trained, waiting
from tests.support.azure.server import CLIENT, TENANT

PEOPLE = "GET /largepersongroups/persons"


@pytest_asyncio.fixture
async def azure() -> AsyncIterator[FakeAzure]:
    async with serving() as fake:
        yield fake


@settings(max_examples=20, deadline=None)
@given(
    tier=st.sampled_from([*TIERS.values(), Tier(1, 1), Tier(2, 1), of_rate(0.1), of_rate(7.9)]),
    pauses=st.lists(st.floats(0, 3), min_size=30, max_size=120),
)
async def test_no_window_of_time_has_more_calls_than_the_tier_allows(tier: Tier, pauses: list[float]) -> None:
    clock = ManualClock()
    bucket = Bucket(tier, clock)
    times = []
    for pause in pauses:
        await clock.sleep(pause if pause > 1 else 0)
        await bucket.take()
        times.append(clock.monotonic())
    for first, last in zip(times, times[tier.calls :], strict=False):
        assert last - first >= tier.seconds * (1 - 1e-6)


async def test_a_full_school_is_paced_near_the_limit() -> None:
    clock = ManualClock()
    bucket = Bucket(TIERS["S0"], clock)
    began = clock.monotonic()
    await asyncio.gather(*(bucket.take() for _ in range(800)))
    assert 99 <= clock.monotonic() - began <= 101


async def test_a_strict_limit_is_never_run_into(tmp_path: Path) -> None:
    """With the true clock, on a service that counts."""
    async with serving() as fake, make_context(tmp_path) as context:
        fake.limit = (20, 1)
        async with api(tmp_path, fake.endpoint, clock=context.clock, calls_per_second=18) as (service, _):
            await asyncio.gather(*(service.people() for _ in range(30)))
        assert fake.statuses == {404: 30}


async def test_a_break_that_is_asked_for_is_taken_by_everybody(azure: FakeAzure, tmp_path: Path) -> None:
    clock = ManualClock()
    async with api(tmp_path, azure.endpoint, clock=clock) as (service, _):
        await service.make()
        began = clock.monotonic()
        azure.fault = faults.times(1, faults.status(429, "7"))
        with pytest.raises(NotReady, match="asks for a break of 7 s"):
            await service.model(attempts=1)
        assert clock.monotonic() == began
        assert await service.people() == []
        assert clock.monotonic() >= began + 7


async def test_a_long_break_is_left_to_the_hub(azure: FakeAzure, tmp_path: Path) -> None:
    clock = ManualClock()
    async with api(tmp_path, azure.endpoint, clock=clock) as (service, _):
        azure.fault = faults.status(429, "3600")
        with pytest.raises(NotReady, match="asks for a break of 3600 s"):
            await service.people()
        assert azure.calls[PEOPLE] == 1
        assert clock.slept == []


@pytest.mark.parametrize("asked", ["soon", "Wed, 21 Oct 2026 07:28:00 GMT", "-5", "nan", None])
async def test_a_strange_retry_after(asked: str | None, azure: FakeAzure, tmp_path: Path) -> None:
    async with api(tmp_path, azure.endpoint) as (service, _):
        azure.fault = faults.times(1, faults.status(429, asked))
        assert await service.people() == []


@pytest.mark.parametrize(
    "fault", [faults.status(503), faults.status(500, "2"), faults.cut, faults.cut_off, faults.garbage]
)
async def test_what_is_safe_is_tried_again(fault: faults.Fault, azure: FakeAzure, tmp_path: Path) -> None:
    clock = ManualClock()
    async with api(tmp_path, azure.endpoint, clock=clock) as (service, _):
        await service.make()
        azure.fault = faults.times(2, fault)
        assert await service.people() == []
        assert azure.calls[PEOPLE] == 3
        assert any(slept > 0 for slept in clock.slept)
        assert len({*azure.request_ids}) == len(azure.request_ids)


@pytest.mark.parametrize("fault", [faults.status(503), faults.cut, faults.cut_off, faults.garbage])
async def test_what_adds_something_is_not(fault: faults.Fault, azure: FakeAzure, tmp_path: Path) -> None:
    async with api(tmp_path, azure.endpoint) as (service, _):
        await service.make()
        azure.fault = fault
        with pytest.raises(Unsure):
            await service.add_person("fras:ada")
        assert azure.calls["POST /largepersongroups/persons"] == 1
        azure.fault = faults.times(1, faults.status(429))
        await service.add_person("fras:ada")  # which certainly was not done


async def test_an_answer_of_another_shape(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        azure.fault = faults.wrong_shape
        for call in (recogniser.identify([crop("ada")]), recogniser.people(), recogniser.enrol("bob", [crop("bob")])):
            with pytest.raises(NotReady, match=r"its description does not allow|has not answered"):
                await call


async def test_the_circuit_opens_and_closes(azure: FakeAzure, tmp_path: Path) -> None:
    clock = ManualClock()
    async with api(tmp_path, azure.endpoint, clock=clock) as (service, _):
        azure.fault = faults.status(500)
        with pytest.raises(NotReady):
            await service.people()
        with pytest.raises(NotReady, match=r"has not answered 5 times in a row; the next attempt is made in \d+ s"):
            await service.people()
        asked = azure.calls.total()
        assert asked == FAILURES
        for _ in range(50):
            with pytest.raises(NotReady):
                await service.people()
        assert azure.calls.total() == asked
        azure.fault = None
        await clock.sleep(FIRST_REST)
        assert await service.people() == []
        assert await service.people() == []


def test_a_rest_grows_with_each_attempt_that_fails() -> None:
    clock = ManualClock()
    breaker = Breaker(clock)

    def fail() -> None:
        with breaker.attempt() as attempt:
            attempt.failed()

    async def wait(seconds: float) -> None:
        await clock.sleep(seconds)

    for _ in range(FAILURES):
        fail()
    rest = FIRST_REST
    for _ in range(8):
        asyncio.run(wait(rest - 0.1))
        with pytest.raises(NotReady):
            fail()
        asyncio.run(wait(0.2))
        with breaker.attempt() as trial:
            with pytest.raises(NotReady):  # one at a time
                fail()
            trial.failed()
        rest = min(2 * rest, LONGEST_REST)
    assert rest == LONGEST_REST
    asyncio.run(wait(rest))
    with breaker.attempt() as trial:
        trial.answered()
    fail()
    with breaker.attempt():
        pass


def test_what_was_under_way_when_the_circuit_opened_lengthens_no_rest() -> None:
    clock = ManualClock()
    breaker = Breaker(clock)
    with ExitStack() as under_way:
        attempts = [under_way.enter_context(breaker.attempt()) for _ in range(2 * FAILURES)]
        for attempt in attempts[:FAILURES]:
            attempt.failed()
        asyncio.run(clock.sleep(FIRST_REST))
        with breaker.attempt() as trial:
            for attempt in attempts[FAILURES:]:
                attempt.failed()
            trial.failed()
    asyncio.run(clock.sleep(2 * FIRST_REST))
    with breaker.attempt():
        pass


@pytest.mark.parametrize("shown", ["key", "entra"])
async def test_wrong_credentials_are_shown_seldom_and_cost_nothing(
    shown: str, azure: FakeAzure, tmp_path: Path
) -> None:
    clock = ManualClock()
    wrong: dict[str, Any] = {"key": "expired"}
    if shown == "entra":
        secret = {"tenant": TENANT, "client_id": CLIENT, "client_secret": "expired", "login": azure.endpoint}
        wrong = {"key": None, "entra": secret}
    async with api(tmp_path, azure.endpoint, clock=clock, monthly_cap=100, **wrong) as (service, context):
        for _ in range(300):  # ten minutes, as the pipeline asks
            with pytest.raises(NeedsHuman, match=r"does not accept the key|Entra gives no token"):
                await service.people()
            await clock.sleep(2)
        assert 4 <= azure.calls.total() <= 7, "after 15 s, 30 s, 60 s, ..."
    counted = context.data_folder / FILE
    assert not counted.exists() or json.loads(counted.read_text()) == {"2026-11": 0}


async def test_what_is_refused_to_others_is_still_deleted(azure: FakeAzure, tmp_path: Path) -> None:
    async with api(tmp_path, azure.endpoint) as (service, _):
        await service.make()
        person = await service.add_person("fras:ada")
        azure.approved = False
        with pytest.raises(CannotIdentify):
            await service.detect(sheet_of([crop("ada")]).jpeg)
        with pytest.raises(CannotIdentify):
            await service.people()
        await service.delete_person(person)
        assert azure.gallery.groups["school"].people == {}


async def test_a_quota_that_is_reached_stops_nothing_else(azure: FakeAzure, tmp_path: Path) -> None:
    async def full(request: faults.web.Request) -> faults.web.StreamResponse | None:
        error = {"code": "QuotaExceeded", "message": "Person number reached subscription level limit."}
        return faults.web.json_response({"error": error}, status=403) if request.method == "POST" else None

    async with api(tmp_path, azure.endpoint) as (service, _):
        await service.make()
        azure.fault = full
        with pytest.raises(NeedsHuman, match="a quota of Azure Face is used up"):
            await service.add_person("fras:ada")
        assert await service.people() == []


async def test_calls_that_azure_puts_off_are_not_counted(azure: FakeAzure, tmp_path: Path) -> None:
    async with api(tmp_path, azure.endpoint) as (service, context):
        await service.make()
        azure.fault = faults.times(3, faults.status(429, "1"))
        assert await service.people() == []
    assert azure.calls.total() == 5
    assert json.loads((context.data_folder / FILE).read_text()) == {"2026-11": 2}


async def test_nobody_waits_through_a_long_break(azure: FakeAzure, tmp_path: Path) -> None:
    clock = ManualClock()
    async with api(tmp_path, azure.endpoint, clock=clock) as (service, _):
        azure.fault = faults.times(1, faults.status(429, "3600"))
        with pytest.raises(NotReady, match="asks for a break of 3600 s"):
            await service.people()
        await clock.sleep(600)
        clock.slept.clear()
        for _ in range(3):
            with pytest.raises(NotReady, match="a break, which lasts another 3000 s"):
                await service.people()
        assert clock.slept == []
        assert azure.calls[PEOPLE] == 1
        await clock.sleep(3000 - LONGEST_ASKED)
        assert await service.people() == []


async def test_every_call_is_counted_and_none_is_made_beyond_the_cap(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint, monthly_cap=14) as (recogniser, context):
        await recogniser.enrol("ada", [crop("ada")])
        await recogniser.identify([crop("ada")])
        made = azure.calls.total()
        for _ in range(3):
            with pytest.raises(NotReady, match="the cap of 14 calls to Azure Face is reached for 2026-11"):
                await recogniser.identify([crop("ada")])
        assert made <= azure.calls.total() == 14
        await recogniser.forget("ada")
        assert await recogniser.people() == [], "deleting is possible always"
        assert azure.calls.total() > 14
    counted = json.loads((context.data_folder / FILE).read_text())
    assert counted == {"2026-11": azure.calls.total()}


async def test_the_cap_holds_whatever_waits_to_be_trained(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint, monthly_cap=24) as (recogniser, _):
        for person in ("ada", "bob"):
            await recogniser.enrol(person, [crop(person)])
        while azure.calls.total() < 24:
            with suppress(NotReady):
                await recogniser.identify([crop("ada")])
        with pytest.raises(NotReady, match="the cap of 24 calls"):
            await recogniser.enrol("cem", [crop("cem")])
        await recogniser.forget("ada")
        await trained(tmp_path)
        beyond = azure.calls.total()
        for _ in range(50):
            with pytest.raises(NotReady, match="the cap of 24 calls"):
                await recogniser.identify([crop("bob")])
        assert azure.calls.total() == beyond


async def test_a_failed_enrolment_asks_for_no_training(azure: FakeAzure, tmp_path: Path) -> None:
    async with opened(tmp_path, azure.endpoint, monthly_cap=24) as (recogniser, _):
        await recogniser.enrol("ada", [crop("ada")])
        await recogniser.identify([crop("ada")])
        azure.fault = faults.status(500)
        with pytest.raises(NotReady):
            await recogniser.enrol("bob", [crop("bob")])
        assert waiting(tmp_path) == []


async def test_four_fifths_of_the_cap_are_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with make_context(tmp_path, clock=ManualClock()) as context:
        several = [Spending(context, 200, 1.0) for _ in range(2)]
        for _ in range(60):
            for one in several:
                await one.spend()
        assert "80 %" not in caplog.text
        for _ in range(40):
            for one in several:
                await one.spend()
    assert caplog.text.count("80 % of the cap of 200 calls to Azure Face is used for 2026-11 (UTC)") == 1


async def test_the_next_month_begins_anew_and_the_last_is_kept(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))
    async with make_context(tmp_path, clock=clock) as context:
        spending = Spending(context, 3, 1.0)
        for _ in range(3):
            await spending.spend()
        with pytest.raises(NotReady):
            await spending.spend()
        await clock.sleep(1)
        await spending.spend()
        await spending.close()
        assert json.loads((context.data_folder / FILE).read_text()) == {"2026-11": 3, "2026-12": 1}


async def test_a_crash_counts_too_many_rather_than_too_few(tmp_path: Path) -> None:
    async with make_context(tmp_path, clock=ManualClock()) as context:
        first = Spending(context, 1000, 1.0)
        for _ in range(BLOCK + 1):
            await first.spend()
        again = Spending(context, 1000, 1.0)  # and the first is never closed
        assert await again.told() == f"{2 * BLOCK} of 1,000 calls this month, about 0.04"


async def test_processes_share_the_count(tmp_path: Path) -> None:
    async with make_context(tmp_path, clock=ManualClock()) as context:
        several = [Spending(context, 500, 1.0) for _ in range(5)]
        refused = 0
        for _ in range(120):
            for one in several:
                try:
                    await one.spend()
                except NotReady:
                    refused += 1
        for one in several:
            await one.close()
        assert json.loads((context.data_folder / FILE).read_text()) == {"2026-11": 500}
        assert refused == 100


@pytest.mark.parametrize("content", ["", "[]", '{"2026-11": "many"}', '{"2026-11": true}', "\0\0", '{"x": 1}'])
async def test_a_damaged_count_is_said_and_nothing_is_spent(content: str, tmp_path: Path) -> None:
    async with make_context(tmp_path, clock=ManualClock()) as context:
        (context.data_folder / FILE).write_text(content)
        with pytest.raises(NeedsHuman, match="does not hold a count of calls; delete it"):
            await Spending(context, 5, 1.0).spend()
        (context.data_folder / FILE).unlink()
        (context.data_folder / FILE).mkdir()
        with pytest.raises(NeedsHuman, match="cannot be kept"):
            await Spending(context, 5, 1.0).spend()
