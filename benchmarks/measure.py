"""Alternating runs, ratios within one run, and one JSON line for each result."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .neighbours import Neighbours

SHARED = Path(os.environ.get("FRAS_SHARED", Path(__file__).parents[2] / "shared"))
RESULTS = Path(__file__).parent / "results" / "results.jsonl"
"""Every line ever printed here, oldest first; ignored by git."""


class Skipped(Exception):
    """A bench cannot run here; says what is missing."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of each contender, one value a round; `others` is the share of all cores that other processes used."""

    taken: Mapping[str, list[float]]
    others: float

    def median(self, name: str) -> float:
        return statistics.median(self.taken[name])

    def ratio(self, name: str, to: str) -> float:
        """How many times as long `name` takes as `to`: the median over rounds, in each of which both ran."""
        return statistics.median(one / other for one, other in zip(self.taken[name], self.taken[to], strict=True))


def alternate(
    contenders: Mapping[str, Callable[[], object]], rounds: int, repeats: Mapping[str, int] | None = None
) -> Times:
    """Times contenders in turns, each after waiting a while for a quiet moment; they should be warm.

    A contender with `repeats` runs so often in each round, whose value is then the median.
    """
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    neighbours = Neighbours()
    for _ in range(rounds):
        for name, contender in contenders.items():
            neighbours.wait()
            taken[name].append(statistics.median(seconds(contender) for _ in range((repeats or {}).get(name, 1))))
    return Times(taken, round(neighbours.share, 2))


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def shared(path: str) -> Path:
    """A file or folder of ../shared. Raises Skipped where it is absent."""
    found = SHARED / path
    if not found.exists():
        raise Skipped(f"{found} is not there; say where the photographs and models are with FRAS_SHARED")
    return found


def machine() -> dict[str, Any]:
    """What the figures of this run were measured on."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("onnxruntime", "opencv-python-headless", "numpy")},
    }


def report(bench: str, **figures: Any) -> None:
    """Prints one result for people on standard error and as a JSON line on standard output."""
    say(f"{bench}: " + ", ".join(f"{key.replace('_', ' ')} {_shown(value)}" for key, value in figures.items()))
    line = json.dumps({"bench": bench, **figures}, ensure_ascii=False)
    print(line, flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as results:
        results.write(line + "\n")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
