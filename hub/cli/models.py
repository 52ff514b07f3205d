"""`fras models`: the models on this machine, and whether they are whole."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from hub.app import Paths
from hub.cli import console
from hub.model_files import install_model, model_states
from hub.plugin import ModelState

app = typer.Typer(name="models", help="The recogniser's models on this machine.", no_args_is_help=True)


@app.command("list")
def list_models(
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Every model the configured recogniser knows, and whether it is ready."""
    where = console.paths(config, data)
    console.run(_list(where, json_lines), where)


@app.command("verify")
def verify(
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Hashes every file of the installed models. Exit 1 when one is damaged."""
    where = console.paths(config, data)
    console.run(_verify(where, json_lines), where)


@app.command("install")
def install(
    name: Annotated[str, typer.Argument(metavar="MODEL", callback=console.words, help="As fras models list calls it.")],
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Fetches a model's files from their publisher, checked by their hashes; the only thing that needs the network."""
    where = console.paths(config, data)
    console.run(_install(where, name), where)


async def _install(where: Paths, name: str) -> int:
    await asyncio.to_thread(install_model, where, name, console.say)
    console.say(f"{name} is installed")
    return 0


async def _list(where: Paths, json_lines: bool) -> int:
    states = await asyncio.to_thread(model_states, where)
    _show(states, json_lines)
    return 0


async def _verify(where: Paths, json_lines: bool) -> int:
    states = [state for state in await asyncio.to_thread(model_states, where) if state.installed]
    _show(states, json_lines)
    whole = all(state.state == "ready" for state in states)
    if not states:
        console.say("no model is built yet; the first fras enroll, identify or run builds it")
    return 0 if whole else 1


def _show(states: list[ModelState], json_lines: bool) -> None:
    if json_lines:
        for state in states:
            console.emit(
                {
                    "name": state.name,
                    "state": state.state,
                    "problem": state.problem or None,
                    "model_id": state.model_id or None,
                    "licence": state.licence or None,
                    "source": state.source or None,
                }
            )
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("model", "state", "licence", "what to know"):
        table.add_column(heading, overflow="fold")
    for state in states:
        table.add_row(state.name, state.state, state.licence, state.problem or state.source)
    console.out.print(table)
