"""`make bench`: every bench runs, whatever becomes of the others."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import __main__ as program
from benchmarks import measure

FOLDER = Path(program.__file__).parent


@pytest.fixture
def benches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results" / "results.jsonl")

    def replaced_by(**runs: Callable[[], None]) -> None:
        monkeypatch.setattr(program, "BENCHES", tuple(runs))
        for name, run in runs.items():
            module = SimpleNamespace(run=lambda full, run=run: run())
            monkeypatch.setitem(sys.modules, f"benchmarks.{name}", module)  # type: ignore[arg-type]

    return replaced_by


def lines(captured: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.splitlines()]


def fail() -> None:
    raise RuntimeError("no luck")


def miss() -> None:
    raise measure.Skipped("no photographs")


def miss_a_server() -> None:
    pytest.skip("no server")


def test_one_that_fails_or_is_skipped_stops_no_other(
    benches: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    benches(first=fail, second=miss, third=miss_a_server, fourth=lambda: measure.report("fourth", share=0.9))
    assert program.main([]) == 1
    output = capsys.readouterr()
    said = lines(output.out)
    assert said[0]["bench"] == "machine"
    assert [line for line in said[1:] if line["bench"] != "duration"] == [
        {"bench": "first", "failed": "RuntimeError: no luck"},
        {"bench": "second", "skipped": "no photographs"},
        {"bench": "third", "skipped": "no server"},
        {"bench": "fourth", "share": 0.9},
    ]
    assert [line["of"] for line in said if line["bench"] == "duration"] == ["first", "second", "third", "fourth"]
    assert output.err.endswith("failed: first\n")
    assert lines(measure.RESULTS.read_text("utf-8")) == said


def test_those_that_are_named_run(benches: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    benches(first=fail, second=miss)
    assert program.main(["second"]) == 0
    assert not [line for line in lines(capsys.readouterr().out) if line["bench"] == "first"]
    with pytest.raises(SystemExit):
        program.main(["third"])
    assert "no bench third; there are first, second" in capsys.readouterr().err


def test_a_target_that_is_missed_is_said_and_is_a_failure(
    benches: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def fall_short() -> None:
        measure.report("first", share=0.8, reached=False)
        measure.report("first", share=0.7, reached=False)

    benches(first=fall_short, second=lambda: measure.report("second", share=0.9, reached=True))
    assert program.main([]) == 1
    assert capsys.readouterr().err.endswith("\nshort of the target: first\n")
    assert program.main(["second"]) == 0


@pytest.mark.parametrize("name", program.BENCHES)
def test_each_name_is_a_bench(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))
    (run,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run"]
    assert [argument.arg for argument in run.args.args] == ["full"]


def test_the_docs_name_each() -> None:
    text = (FOLDER.parent / "docs" / "performance.md").read_text("utf-8")
    assert [name for name in program.BENCHES if f"\n| `{name}` |" not in text] == []
