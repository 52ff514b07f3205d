"""Alternating runs, ratios within one run, and one JSON line for each result."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    """Seconds of each contender by the clock and, where measured, of all cores; one value a round.

    `others` is the share of all cores that other processes used meanwhile.
    """

    taken: Mapping[str, Sequence[float]]
    others: float
    spent: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def median(self, name: str) -> float:
        return statistics.median(self.taken[name])

    def ratio(self, name: str, to: str) -> float:
        """How many times as long `name` takes as `to`: the median over rounds, in each of which both ran."""
        return _ratio(self.taken[name], self.taken[to])

    def cpu_ratio(self, name: str, to: str) -> float:
        """The same for what they cost all cores together, which a busy neighbour changes less."""
        return _ratio(self.spent[name], self.spent[to])


def _ratio(these: Sequence[float], those: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(these, those, strict=True))


class Rounds:
    """Collects Times, waiting a while for quiet moments."""

    def __init__(self) -> None:
        self._taken: defaultdict[str, list[float]] = defaultdict(list)
        self._spent: defaultdict[str, list[float]] = defaultdict(list)
        self._neighbours = Neighbours()

    def wait(self) -> None:
        """Returns at the next quiet moment, or when patience is spent."""
        self._neighbours.wait()

    @contextmanager
    def turn(self, name: str, runs: int = 1) -> Iterator[None]:
        """Times what is done inside, which is so many runs of contender `name`, as its value of this round."""
        start, spent = time.perf_counter(), time.process_time()
        yield
        self._taken[name].append((time.perf_counter() - start) / runs)
        self._spent[name].append((time.process_time() - spent) / runs)

    @property
    def times(self) -> Times:
        return Times(self._taken, round(self._neighbours.share, 2), self._spent)


def alternate(
    contenders: Mapping[str, Callable[[], object]], rounds: int, runs: Mapping[str, int] | None = None
) -> Times:
    """Times contenders in turns, so that a noisy neighbour hits all alike; they should be warm.

    A contender named in `runs` runs so often in each round, whose value is then the mean.
    """
    measured = Rounds()
    for _ in range(rounds):
        for name, contender in contenders.items():
            measured.wait()
            times = (runs or {}).get(name, 1)
            with measured.turn(name, times):
                for _ in range(times):
                    contender()
    return measured.times


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


missed: list[str] = []
"""Benches that reported a target that was not `reached`."""


def report(bench: str, **figures: Any) -> None:
    """Prints one result for people on standard error and as a JSON line on standard output.

    One that was to be `reached`, and was not, counts as missed.
    """
    if figures.get("reached") is False:
        missed.append(bench)
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
