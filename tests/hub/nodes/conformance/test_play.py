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

from hub.nodes.conformance.demands import Demand, Verdict, Verdicts
from hub.nodes.conformance.play import play
from hub.nodes.conformance.steps import Pace
from node.state import State
from node.wire import Invitation
from tests.support.node_process import Place
from tests.support.wrong_node import WrongNode

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
HASTY: Final = replace(PATIENT, soonest=10.0)
"""For this even a node that does nothing wrong comes again too soon."""

OURS: Final = "fras-node"
OUR_PACE: Final = Pace(comes=120, answers=60, entries=60, nothing=0.4)
Plays = dict[str, "asyncio.Task[Verdicts]"]


def silent(said: str) -> None:
    assert "FRAS://" not in said


async def played(folder: Path, pace: Pace, node: Callable[[Invitation], Coroutine[Any, Any, None]]) -> Verdicts:
    """What is found of a node, which runs for as long as the play."""
    verdicts, tasks = Verdicts(), list[asyncio.Task[None]]()

    def invite(invitation: Invitation) -> None:
        tasks.append(asyncio.create_task(node(invitation)))

    try:
        await play(verdicts, folder, HERE, invite, silent, pace)
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plays(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plays]:
    """All at once: they wait nearly all of the time."""

    async def wrong(fault: str, pace: Pace) -> Verdicts:
        return await played(tmp_path_factory.mktemp("wrong"), pace, lambda i: WrongNode(i, fault).run())

    found = {fault: asyncio.create_task(wrong(fault, PATIENT)) for fault in WRONG}
    found |= {fault: asyncio.create_task(wrong(fault, BRIEF)) for fault in MISSING}
    found[ONE_KEY] = asyncio.create_task(wrong(ONE_KEY, replace(BRIEF, comes=15)))
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
    assert {demand for demand in Demand if verdicts.of(demand) is Verdict.NOT_SEEN} == set(), "the play has an end"


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
    assert set().union(*WRONG.values(), MISSING.values(), {Demand.AGAIN, Demand.NEXT_KEY}) == set(Demand)


@pytest.mark.asyncio(loop_scope="module")
async def test_our_own_node_keeps_everything(plays: Plays) -> None:
    verdicts = await plays[OURS]
    assert {demand: verdicts.of(demand) for demand in Demand} == dict.fromkeys(Demand, Verdict.KEPT), verdicts.findings
