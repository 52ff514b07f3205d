"""`fras-node` as a caretaker and systemd meet it: a process of its own, killed and stopped at will."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from node.cli import main
from node.wire import Close, Hello, Update
from tests.support.node_process import ROOT, NumberedPlace, Place
from tests.support.small_hub import SmallHub
from tests.support.tearing import torn


@pytest.fixture
def place(folder: Path) -> Place:
    return Place(folder)


async def test_killed_again_and_again_nothing_is_lost_or_told_twice(folder: Path, hub: SmallHub) -> None:
    """After each kill -9: what was acknowledged the hub has once; all else is on the card, and arrives later.

    The last one comes in the middle of a write.
    """
    place = NumberedPlace(folder)

    def known() -> list[int]:
        return [len(jpeg) - place.smallest for jpeg in hub.frames()]

    hub.config = {"interval": 0.05, "watch": 1}
    assert (await place.does("pair", stdin=hub.invitation().uri()))[0] == 0
    chance = random.Random(1)
    due: dict[int, bytes] = {}
    for round_ in range(5):
        hub.faults.forget_acks = round_ % 2 == 0
        tear = {"TEAR": "20"} if round_ == 4 else {}
        async with place.running(**tear) as node:
            before = len(hub.frames())
            if tear:
                await hub.until((place.folder / "torn").exists)
            else:
                await hub.until(lambda: len(hub.frames()) > before + 2)  # noqa: B023
                if round_ == 1:
                    await hub.kill()
                await asyncio.sleep(chance.random() / 2)
            node.kill()
            await node.wait()
        if round_ == 1:
            await hub.start()
        assert len(torn(place.spool)) == 1 or not tear
        place.counted(known(), half_written=len(tear))
        waiting = place.waiting()
        told = {number: kept for (_, number), kept in hub.ledger.items() if isinstance(kept, bytes)}
        assert all(told.get(number, jpeg) == jpeg for number, jpeg in waiting.items())
        due |= waiting
    hub.faults.forget_acks = False
    hub.config = {"active": []}
    hellos = len(hub.heard(Hello))
    async with place.running() as node:
        await hub.until(lambda: len(hub.heard(Hello)) > hellos and all((1, number) in hub.ledger for number in due))
        await hub.until(lambda: place.kept() <= set(known()))
        await asyncio.sleep(0.5)
        node.send_signal(signal.SIGTERM)
        assert await node.wait() == 0
    assert place.waiting() == {}
    assert place.kept() <= set(known())
    place.counted(known(), half_written=1)
    assert all(hub.ledger[1, number] == jpeg for number, jpeg in due.items())
    numbers = sorted(number for _, number in hub.ledger)
    assert numbers == list(range(1, numbers[-1] + 1))
    assert len(due) > 10


class TestPair:
    async def test_paired_then_unconfirmed_then_told_by_status(self, place: Place, hub: SmallHub) -> None:
        invitation = hub.invitation()
        code, out, _ = await place.does("status", "--json")
        assert (code, json.loads(out)["node"]) == (1, None)
        code, _, err = await place.does("pair", stdin=f"{invitation.uri()}\n")
        assert (code, "Confirm it there" in err) == (0, True), err
        code, out, _ = await place.does("status")
        assert code == 1, "it does not run"
        assert "node-0, unconfirmed" in out or "node-0" in out
        assert hub.key.pin.hex() in out
        (secret,) = hub.nodes
        identity = (place.data / "identity.json").read_text()
        for hidden in (json.loads(identity)["paired"]["credential"], secret.hex(), invitation.uri().split("/")[4]):
            assert hidden not in out

    async def test_a_running_service_is_handed_the_invitation(self, place: Place, hub: SmallHub) -> None:
        async with place.running() as node:
            while not (place.data / "status.json").exists():
                await asyncio.sleep(0.02)
            code, _, err = await place.does("pair", stdin=hub.invitation().uri())
            assert code == 0, err
            await hub.until(hub.frames)
            assert not (place.data / "invitation").exists()
            await asyncio.sleep(0.1)
            code, out, _ = await place.does("status")
            assert (code, "connected" in out) == (0, True), out
            await hub.say(Update("9.1", "by hand"))
            while "by hand" not in (place.data / "status.json").read_text():
                await asyncio.sleep(0.02)
            code, out, _ = await place.does("status")
            assert (code, "update    to 9.1, as the hub has it: by hand" in out) == (0, True), out
            await place.stops(node)

    async def test_an_invitation_as_an_argument_is_refused_and_not_repeated(self, place: Place, hub: SmallHub) -> None:
        uri = hub.invitation().uri()
        code, out, err = await place.does("pair", uri)
        assert code == 2
        assert "standard input" in err
        assert uri[20:] not in out + err
        assert hub.connections == 0

    async def test_what_is_no_invitation_or_too_old(self, place: Place, hub: SmallHub, folder: Path) -> None:
        assert (await place.does("pair", stdin="hello"))[0] == 1
        old = hub.invitation()
        hub.tokens.clear()
        (folder / "old").write_text(old.uri())
        code, _, err = await place.does("pair", "--file", str(folder / "old"))
        assert (code, "Make another one" in err) == (1, True)
        assert (await place.does("pair", "--file", str(folder / "nowhere")))[0] == 1


class TestRun:
    async def test_systemd_hears_ready_alive_and_stopping(self, place: Place, folder: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
            ear.bind(str(folder / "ear"))
            ear.setblocking(False)
            loop, heard = asyncio.get_running_loop(), b""
            async with place.running(NOTIFY_SOCKET=str(folder / "ear"), WATCHDOG_USEC="300000") as node:
                async with asyncio.timeout(20):
                    while heard.count(b"WATCHDOG=1") < 3:
                        heard += await loop.sock_recv(ear, 4096) + b"\n"
                await place.stops(node)
            while True:
                try:
                    heard += ear.recv(4096) + b"\n"
                except BlockingIOError:
                    break
        assert b"READY=1" in heard
        assert b"STOPPING=1" in heard

    async def test_only_one_at_a_time(self, place: Place) -> None:
        async with place.running():
            while not (place.data / "status.json").exists():
                await asyncio.sleep(0.02)
            code, _, err = await place.does("run")
            assert (code, "in use" in err) == (1, True)

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ("camera: [", "is no YAML in line"),
            ("camera: {platform: spoon}", "there is no camera 'spoon'; there are "),
            ("camera: {platform: folder}", "required key not provided"),
            ("cammera: {platform: folder}", "extra keys not allowed"),
            ("camera: {platform: ../x}", "there is no camera"),
        ],
    )
    def test_settings_that_are_wrong(
        self, place: Place, settings: str, says: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        place.settings.write_text(settings)
        assert main(["run", "-c", str(place.settings)]) == 2
        err = capsys.readouterr().err
        assert says in err
        assert str(place.settings) in err

    async def test_an_identity_that_is_damaged(self, place: Place) -> None:
        place.data.mkdir()
        (place.data / "identity.json").write_text("{")
        code, _, err = await place.does("run")
        assert (code, "pair this node anew" in err) == (1, True), err

    async def test_revoked_it_keeps_running_and_wants_a_code(self, place: Place, hub: SmallHub) -> None:
        await place.does("pair", stdin=hub.invitation().uri())
        async with place.running() as node:
            await hub.until(hub.frames)
            await hub.close(Close.REVOKED)
            async with asyncio.timeout(10):
                while "waiting for a code" not in (place.data / "status.json").read_text():
                    await asyncio.sleep(0.05)
            count = len(hub.ledger)
            await asyncio.sleep(0.3)
            assert len(hub.ledger) == count
            assert node.returncode is None
            assert "code      it looks for one" in (await place.does("status"))[1]
            assert json.loads((place.data / "identity.json").read_text()).get("paired") is None


def test_help_needs_nothing_heavy() -> None:
    """`fras-node status` on a Pi Zero should not take seconds: numpy is for pictures."""
    program = "import sys, node.cli; print('numpy' in sys.modules, 'aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == ["False", "False"]
