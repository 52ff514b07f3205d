"""`python -m benchmarks [NAME...] [--full]`: everything, or the named benches."""

from __future__ import annotations

import argparse
import importlib
import time
import traceback
from collections.abc import Sequence

import pytest

from .measure import Skipped, machine, missed, report, say

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
"""Modules of this package, each with `run(full)`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 when a bench failed or missed its target, which stops no other; one that misses what it needs is
    skipped and says so."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)}; without any, all of them")
    parser.add_argument("--full", action="store_true", help="every photograph and more rounds: hours")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    report("machine", **machine())
    failed = []
    missed.clear()
    for name in options.names or BENCHES:
        start = time.monotonic()
        try:
            importlib.import_module(f"{__package__}.{name}").run(full=options.full)
        except (Skipped, pytest.skip.Exception) as reason:  # pytest's: a server that the tests start, too, is missing
            report(name, skipped=str(reason))
        except Exception as fault:
            traceback.print_exception(fault)
            report(name, failed=f"{type(fault).__name__}: {fault}")
            failed.append(name)
        report("duration", of=name, seconds=round(time.monotonic() - start))
        say("")
    if failed:
        say(f"failed: {', '.join(failed)}")
    if missed:
        say(f"short of the target: {', '.join(dict.fromkeys(missed))}")
    return 1 if failed or missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
