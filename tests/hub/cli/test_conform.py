"""`fras nodes conform` says what was found; tests/hub/nodes/conformance plays."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.cli.commands import fras
from hub.nodes.conformance.demands import Demand, Verdicts
from node.wire import Invitation


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without hub.yaml."""
    monkeypatch.chdir(tmp_path)


def conform(*words: str) -> tuple[int, str, str]:
    whole = ("nodes", "conform", *words)
    result = CliRunner().invoke(fras(whole), whole)
    return result.exit_code, result.stdout, result.stderr


def found(monkeypatch: pytest.MonkeyPatch, broken: bool) -> None:
    """The play finds everything kept, or all but one."""

    async def play(verdicts: Verdicts, *arguments: Any) -> bool:
        verdicts.kept(*Demand)
        if broken:
            verdicts.broken(Demand.CREDITS, "an entry too many", "none")
        return True

    monkeypatch.setattr("hub.nodes.conformance.play.play", play)


def test_it_needs_no_hub_and_ends_when_nobody_comes(tmp_path: Path) -> None:
    code, out, err = conform("--patience", "0.1", "--json")
    invited, *lines = map(json.loads, out.splitlines())
    assert code == 1
    assert Invitation.of(invited["uri"]).host == "127.0.0.1"
    assert [line["demand"] for line in lines] == [demand.name.lower() for demand in Demand]
    assert {line["verdict"] for line in lines} == {"not seen"}
    assert "came no more" in err
    assert list(tmp_path.iterdir()) == []


def test_the_code_is_shown_for_a_camera_and_as_text() -> None:
    _, out, _ = conform("--patience", "0.1")
    uri = next(line for line in out.splitlines() if line.startswith("FRAS://"))
    assert Invitation.of(uri).port
    assert "▄" in out


def test_what_is_broken_is_said_with_what_was_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, broken=True)
    code, out, _ = conform()
    assert code == 1
    assert "BROKEN    each entry takes a credit" in out
    assert "came: an entry too many; expected: none" in out
    assert out.count("  kept ") == len(Demand) - 1


def test_all_kept_is_success(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, broken=False)
    code, out, _ = conform()
    assert code == 0
    assert out.count("  kept ") == len(Demand)


@pytest.mark.parametrize("words", [("--host", "hub.example"), ("--port", "70000"), ("--patience", "-1")])
def test_wrong_usage(words: tuple[str, ...]) -> None:
    code, out, _ = conform(*words)
    assert code == 2
    assert out == ""


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, out, err = conform("--port", str(taken.getsockname()[1]))
    assert (code, out) == (1, "")
    assert "cannot listen at port" in err
    assert "choose another --port" in err
