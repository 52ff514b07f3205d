"""`python -m benchmarks [NAME...] [--full]`: everything, or the named benches."""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Sequence

import pytest

from .measure import Skipped, machine, report, say

BENCHES = (
    "qr",
    "vectors",
    "node_process",
    "nodes",
    "faults",
    "rtsp",
    "databases",
    "s3",
    "pipeline",
    "enrol",
    "peers",
    "accuracy",
    "agreement",
)
"""Modules of this package, each with `run(full)`; shortest first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 when a bench failed; one that misses what it needs is skipped with the reason."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)}; without any, all of them")
    parser.add_argument("--full", action="store_true", help="every photograph and more rounds: about an hour")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    report("machine", **machine())
    failed = False
    for name in options.names or BENCHES:
        start = time.monotonic()
        try:
            importlib.import_module(f"{__package__}.{name}").run(full=options.full)
        except (Skipped, pytest.skip.Exception) as reason:  # pytest's: a server that the tests start, too, is missing
            report(name, skipped=str(reason))
        except Exception as fault:
            report(name, failed=f"{type(fault).__name__}: {fault}")
            failed = True
        say(f"{name} took {time.monotonic() - start:.0f} s\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
