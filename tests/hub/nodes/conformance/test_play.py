"""The play of conformance: our own node keeps everything, and whatever a wrong one does wrong is named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from hub.nodes.conformance.demands import SLOW, Demand, Verdict, Verdicts
from hub.nodes.conformance.play import play
from hub.nodes.conformance.steps import Pace
from node.state import State
from node.wire import Invitation
from tests.support.node_process import Place
from tests.support.wrong_node import LONGEST, WrongNode

HERE = ("127.0.0.1", 0)
PATIENT: Final = Pace(pairs=60, comes=60, answers=60, entries=60, nothing=0.4, soonest=0.05, pings=0.1)
BRIEF: Final = Pace(pairs=60, comes=20, answers=1, entries=1.5, nothing=0.4, soonest=0.05, pings=0.1)
"""For nodes that do not what is waited for."""

WRONG: Final = {
    "": set[Demand](),
    "asks for a subprotocol": {Demand.ADDRESS},
    "shows its token in the URL": {Demand.ADDRESS},
    "trusts any key": {Demand.KEY},
    "says another token": {Demand.PAIR},
    "makes a credential each time": {Demand.SAME_CREDENTIAL},
    "says too low a last": {Demand.HELLO},
    "insists on the new credential": {Demand.OLDER},
    "does not forget": {Demand.REVOKED},
    "numbers other things anew": {Demand.ENTRIES},
    "says of old frames that they are live": {Demand.LIVE},
    "says of nothing that it is live": {Demand.LIVE},
    "takes no heed of credits": {Demand.CREDITS},
    "chatters": {Demand.RATE},
    "sends what was refused": {Demand.REFUSED},
    "obeys anything": {Demand.PROBLEM},
    "never rests": {Demand.ACTIVE},
    "sends PNG": {Demand.PICTURES},
    "stumbles over what is new": {Demand.UNKNOWN},
    "stumbles over an update": {Demand.HARMLESS},
}
"""What a node does wrong, and what is found broken then: that, and nothing else."""
MISSING: Final = {
    "says health wrongly": Demand.MESSAGES,
    "does not wait for confirmation": Demand.WAITING,
    "says another epoch": Demand.HELLO,
    "keeps its credential": Demand.ROTATION,
    "leaves numbers out": Demand.NUMBERS,
    "sums wrongly": Demand.PICTURES,
    "says hello before it was paired": Demand.PAIR,
    "does not renumber": Demand.NEW_EPOCH,
    "never says watched": Demand.WATCHED,
    "stumbles over acknowledgements": Demand.ACKNOWLEDGED,
    "sends nothing again": Demand.RESENT,
    "never says pong": Demand.PONG,
    "says pong with another number": Demand.PONG,
    "never says configured": Demand.CONFIGURED,
    "never says health": Demand.HEALTH,
    "takes no snapshots": Demand.SNAPSHOT,
}
"""The same where one thing is the end of others."""
ONE_KEY: Final = "knows one key only"
SLOWLY: Final = replace(PATIENT, silence=(0.5, 60.0), restart=60.0, longest=(LONGEST - 1, 60.0))
THOROUGH: Final = {
    "": (SLOWLY, set[Demand]()),
    "bears silence": (replace(SLOWLY, silence=(0.5, 3.0)), {Demand.SILENCE}),
    "stays away after a restart": (replace(SLOWLY, restart=1.0), {Demand.RESTART}),
    "is never patient": (SLOWLY, {Demand.LONGEST}),
}
"""Like WRONG, with what is slow. The pauses of a wrong node, and what it bears, are shorter than a right one's."""
HASTY: Final = replace(PATIENT, soonest=10.0)
"""For this even a node that does nothing wrong comes again too soon."""

OURS: Final = "fras-node"
OUR_PACE: Final = Pace(comes=120, answers=60, entries=60, nothing=0.4)
Plays = dict[str, "asyncio.Task[Verdicts]"]


def silent(said: str) -> None:
    assert "FRAS://" not in said


async def played(
    folder: Path, pace: Pace, node: Callable[[Invitation], Coroutine[Any, Any, None]], thorough: bool = False
) -> Verdicts:
    """What is found of a node, which runs for as long as the play."""
    verdicts, tasks = Verdicts(), list[asyncio.Task[None]]()

    def invite(invitation: Invitation) -> None:
        tasks.append(asyncio.create_task(node(invitation)))

    try:
        await play(verdicts, folder, HERE, invite, silent, pace, thorough)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ended), ended
    return verdicts


async def fras_node(place: Place, invitation: Invitation) -> None:
    place.data.mkdir()
    State(place.data / "identity.json").invite(invitation)
    async with place.running():
        await asyncio.Event().wait()


def broken(verdicts: Verdicts) -> set[Demand]:
    return {demand for demand in Demand if verdicts.of(demand) is Verdict.BROKEN}


def not_seen(verdicts: Verdicts) -> set[Demand]:
    return {demand for demand in Demand if verdicts.of(demand) is Verdict.NOT_SEEN}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plays(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plays]:
    """All at once: they wait nearly all of the time."""

    async def wrong(fault: str, pace: Pace, thorough: bool = False) -> Verdicts:
        return await played(tmp_path_factory.mktemp("wrong"), pace, lambda i: WrongNode(i, fault).run(), thorough)

    found = {fault: asyncio.create_task(wrong(fault, PATIENT)) for fault in WRONG}
    found |= {fault: asyncio.create_task(wrong(fault, BRIEF)) for fault in MISSING}
    for fault, (pace, _) in THOROUGH.items():
        found[f"slowly {fault}"] = asyncio.create_task(wrong(fault, pace, thorough=True))
    found[ONE_KEY] = asyncio.create_task(wrong(ONE_KEY, replace(PATIENT, comes=15)))
    found["hasty"] = asyncio.create_task(wrong("", HASTY))
    board = tmp_path_factory.mktemp("board")
    found[OURS] = asyncio.create_task(played(board, OUR_PACE, partial(fras_node, Place(board))))
    yield found
    for task in found.values():
        task.cancel()
    await asyncio.gather(*found.values(), return_exceptions=True)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("fault", WRONG)
async def test_what_is_wrong_is_named(plays: Plays, fault: str) -> None:
    verdicts = await plays[fault]
    assert broken(verdicts) == WRONG[fault], verdicts.findings
    assert not_seen(verdicts) == SLOW


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("fault", THOROUGH)
async def test_what_is_slow_is_seen_when_it_is_asked_for(plays: Plays, fault: str) -> None:
    verdicts = await plays[f"slowly {fault}"]
    assert broken(verdicts) == THOROUGH[fault][1], verdicts.findings
    assert not_seen(verdicts) == set()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("fault", MISSING)
async def test_what_is_missing_is_named(plays: Plays, fault: str) -> None:
    verdicts = await plays[fault]
    assert MISSING[fault] in broken(verdicts), verdicts.findings


@pytest.mark.asyncio(loop_scope="module")
async def test_a_node_that_comes_no_more_with_the_next_key_is_named(plays: Plays) -> None:
    verdicts = await plays[ONE_KEY]
    assert broken(verdicts) == {Demand.NEXT_KEY}
    assert verdicts.of(Demand.RESENT) is Verdict.NOT_SEEN


@pytest.mark.asyncio(loop_scope="module")
async def test_a_node_that_comes_again_too_soon_is_named(plays: Plays) -> None:
    assert broken(await plays["hasty"]) == {Demand.AGAIN}


def test_a_node_is_wrong_in_whatever_is_demanded() -> None:
    assert set().union(*WRONG.values(), MISSING.values(), SLOW, {Demand.AGAIN, Demand.NEXT_KEY}) == set(Demand)


@pytest.mark.asyncio(loop_scope="module")
async def test_our_own_node_keeps_everything(plays: Plays) -> None:
    verdicts = await plays[OURS]
    assert broken(verdicts) == set(), verdicts.findings
    assert not_seen(verdicts) == SLOW
