"""`fras nodes conform`: for whoever writes a node of their own. Needs no hub.yaml, no database and no running hub."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from hub.cli import console
from hub.nodes.conformance.demands import SLOW, Demand, Verdict, Verdicts

CODES: Final = {Verdict.KEPT: "kept", Verdict.BROKEN: "BROKEN", Verdict.NOT_SEEN: "not seen"}


def address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise typer.BadParameter("that is no address; give one of this machine, which the node can reach") from None


def conform(
    host: Annotated[
        str, typer.Option("--host", callback=address, help="The address of this machine that the node is told.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="By default any that is free.")] = 0,
    patience: Annotated[
        float, typer.Option("--patience", min=0, help="Seconds until the node must have come for the first time.")
    ] = 600,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Try pauses and silence, too; four minutes more.")
    ] = False,
    json_lines: console.JsonOption = False,
) -> None:
    """Plays a hub for a node of your own, and tells what of docs/node-protocol.md it keeps."""
    where = console.paths(console.CONFIG, None)
    console.run(_conform((host, port), patience, thorough, json_lines), where)


async def _conform(place: tuple[str, int], patience: float, thorough: bool, json_lines: bool) -> int:
    from hub.nodes.conformance.play import play
    from hub.nodes.conformance.steps import Pace
    from hub.nodes.inviting import as_text, code

    verdicts = Verdicts()
    try:
        with TemporaryDirectory() as folder:
            if not await play(
                verdicts,
                Path(folder),
                place,
                lambda invitation: _invite(invitation.uri(), as_text(code(invitation)), json_lines),
                console.say,
                Pace(pairs=patience),
                thorough,
            ):
                console.say("the node came no more; what follows in the play was not seen")
    except asyncio.CancelledError:  # Ctrl-C
        _report(verdicts, json_lines)
        raise
    _report(verdicts, json_lines)
    played = set(Demand) - (set() if thorough else SLOW)
    return 0 if all(verdicts.of(demand) is Verdict.KEPT for demand in played) else 1


def _invite(uri: str, code: str, json_lines: bool) -> None:
    if json_lines:
        console.emit({"uri": uri})
        return
    console.tell(code)
    console.tell(uri)
    console.say("pair your node with this; its camera may see whatever it likes")


def _report(verdicts: Verdicts, json_lines: bool) -> None:
    heading = ""
    for demand in Demand:
        findings = verdicts.findings.get(demand, [])
        if json_lines:
            told = [{"came": finding.came, "expected": finding.expected} for finding in findings]
            console.emit({"demand": demand.name.lower(), "verdict": verdicts.of(demand), "findings": told})
            continue
        if demand.heading != heading:
            heading = demand.heading
            console.tell(heading, style="bold")
        hint = " (--thorough)" if demand in SLOW and verdicts.of(demand) is Verdict.NOT_SEEN else ""
        console.tell(f"  {CODES[verdicts.of(demand)]:8}  {demand.text}{hint}")
        for finding in findings:
            console.tell(f"            came: {finding.came}; expected: {finding.expected}")
