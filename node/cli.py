"""The command `fras-node`. Exit codes: 0 fine, 1 the answer is no or something failed, 2 wrong usage."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from node import __version__, board
from node.settings import DEFAULT, Settings, SettingsError, read_settings
from node.wire import Invitation, WireError

logger = logging.getLogger("fras.node")

ARGUMENT: Final = """\
fras-node: an invitation is a secret, and what stands on a command line is seen by every process of this board and kept
in the shell's history. Nothing was sent. Give it on standard input, or in a file:
    fras-node pair            (asks for it)
    fras-node pair < FILE
    fras-node pair --file FILE"""
STALE: Final = 60.0
"""Seconds after which what the service said of itself says that it does not run."""


def main(words: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(words)
    board.save_memory()
    try:
        settings = read_settings(arguments.config, arguments.data)
        code: int = arguments.act(arguments, settings)
    except SettingsError as error:
        return _say(str(error), 2)
    except OSError as error:
        return _say(
            f"{error.filename or settings.data}: {error.strerror}. Does this user own it, has the card room?", 1
        )
    return code


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("-c", "--config", type=Path, default=DEFAULT, help=f"settings (default: {DEFAULT})")
    shared.add_argument("--data", type=Path, help="folder of identity and spool, instead of the settings'")
    parser = argparse.ArgumentParser(
        "fras-node", description="The camera side of FRAS: keeps every picture until its hub has it."
    )
    parser.add_argument("--version", action="version", version=f"fras-node {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", parents=[shared], help="run the node (systemd does)")
    run.add_argument("-v", "--verbose", action="store_true", help="say more")
    run.set_defaults(act=_run)
    pair = commands.add_parser("pair", parents=[shared], help="pair with the hub whose invitation is on standard input")
    pair.add_argument("--file", type=Path, help="read the invitation from this file")
    pair.add_argument("invitation", nargs="*", help=argparse.SUPPRESS)
    pair.set_defaults(act=_pair)
    status = commands.add_parser("status", parents=[shared], help="what this node is, whom it trusts, what waits")
    status.add_argument("--json", action="store_true", help="as JSON")
    status.set_defaults(act=_status)
    return parser


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from node.agent import run_node
    from node.pairing import InUse, alone
    from node.state import StateError

    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(levelname)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    board.give_back_memory()

    async def run() -> int:
        node = asyncio.create_task(run_node(settings, _runtime(settings)))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, node.cancel)
        await asyncio.wait([node])
        if node.cancelled():
            return 0
        error = node.exception()
        if isinstance(error, OSError):
            raise error
        if isinstance(error, StateError):
            return _say(f"{error}. Remove the file and pair this node anew.", 1)
        logger.debug("", exc_info=error)
        return _say(f"the node ended by a fault of its own: {_faults(error)}. Run it with -v and report it.", 1)

    async def run_and_leave() -> int:
        code = await run()
        logging.shutdown()
        os._exit(code)  # a name server that does not answer would hold a thread, and with it the process

    try:
        with alone(settings.data):
            return asyncio.run(run_and_leave())
    except InUse:
        return _say(f"{settings.data} is in use by another fras-node run.", 1)


def _pair(arguments: argparse.Namespace, settings: Settings) -> int:
    from node.pairing import pair
    from node.state import StateError

    if arguments.invitation:
        return _say(ARGUMENT, 2, prefix="")
    try:
        invitation = Invitation.of(_read_invitation(arguments.file))
    except (WireError, UnicodeDecodeError):
        return _say("this is no invitation. It starts with FRAS://; `fras nodes add` on the hub makes one.", 1)
    _say(f"pairing with the hub at {invitation.host}, port {invitation.port} …", 0)
    try:
        problem = asyncio.run(pair(settings, _runtime(settings), invitation))
    except StateError as error:
        return _say(f"{error}. Remove the file, then pair again.", 1)
    if problem:
        return _say(problem, 1)
    return _say("the hub has accepted this node. Confirm it there: in the panel, or by `fras nodes confirm`.", 0)


def _read_invitation(file: Path | None) -> str:
    if file is not None:
        return file.read_text("utf-8")
    if sys.stdin.isatty():
        return getpass.getpass("Invitation (it is not shown): ")
    return sys.stdin.read(10_000)


def _status(arguments: argparse.Namespace, settings: Settings) -> int:
    from node.agent import IDENTITY, STATUS
    from node.state import State, StateError

    try:
        state = State(settings.data / IDENTITY)
    except StateError as error:
        return _say(f"{error}.", 1)
    told = _told(_runtime(settings) / STATUS)
    paired = state.paired
    facts: dict[str, Any] = {
        "version": __version__,
        "running": told is not None,
        "phase": told["phase"] if told else None,
        "node": paired.node if paired else None,
        "hub": str(paired.hub) if paired else None,
        "keys": [pin.hex() for pin in (paired.hub.pin, paired.hub.backup)] if paired else [],
        "confirmed": bool(paired and paired.confirmed),
        **{
            key: told[key] if told else None
            for key in ("heard", "wants_code", "spool", "incidents", "captured", "kept", "update")
        },
        "problems": told["problems"] if told else [],
    }
    sys.stdout.write(f"{json.dumps(facts) if arguments.json else _readable(facts)}\n")
    return 0 if facts["running"] and facts["confirmed"] and not facts["problems"] else 1


def _readable(facts: dict[str, Any]) -> str:
    unconfirmed = ", unconfirmed" if facts["node"] and not facts["confirmed"] else ""
    lines = [
        f"fras-node {facts['version']}: {facts['phase'] or 'does not run'}",
        f"node      {facts['node'] or 'not paired'}{unconfirmed}",
        f"hub       {facts['hub'] or '-'}",
        *(f"trusts    {key} ({which} key)" for key, which in zip(facts["keys"], ("present", "next"), strict=False)),
    ]
    if facts["wants_code"]:
        lines.append("code      it looks for one")
    if facts["heard"]:
        lines.append(f"heard     the hub {max(0.0, time.time() - facts['heard'] / 1e6):.0f} s ago")
    if spool := facts["spool"]:
        lines.append(f"spool     {spool['entries']} entries, {spool['bytes'] / 1e6:.1f} MB")
        lines += [f"lost      {count}: {reason}" for reason, count in spool["dropped"].items()]
        lines.append(f"pictures  {facts['captured']} looked at, {facts['kept']} kept")
    lines += [f"incident  {count} times: {incident}" for incident, count in (facts["incidents"] or {}).items()]
    if update := facts["update"]:
        lines.append(f"update    to {update['version']}, as the hub has it: {update['note']}")
    return "\n".join([*lines, *(f"problem   {problem}" for problem in facts["problems"])])


def _told(file: Path) -> dict[str, Any] | None:
    """What the running service said last; None where none runs."""
    try:
        told: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return told if abs(time.time() - told["written"] / 1e6) < STALE else None


def _faults(error: BaseException | None) -> str:
    """The names and texts of what went wrong, without the way there."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(_faults(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"


def _runtime(settings: Settings) -> Path:
    """In memory where there is a folder for that: it is written every few seconds."""
    named = Path(os.environ.get("RUNTIME_DIRECTORY", "/run/fras-node"))
    return named if named.is_dir() else settings.data


def _say(text: str, code: int, prefix: str = "fras-node: ") -> int:
    sys.stderr.write(f"{prefix}{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
