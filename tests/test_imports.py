"""Every module imports on its own: there is no order of imports to know."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import config
import hub
import node
import plugins

MODULES = sorted(
    module.name
    for package in (config, hub, node, plugins)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    # Alembic runs migrations with a context of its own; __main__ runs the program.
    if ".migrations." not in module.name and not module.name.endswith("__main__")
)

# One process forks for each module, so that none finds what another imported. Libraries do not count, and loading them
# for each module would take a minute: a first child finds out which they are.
PROGRAM = """
import contextlib, importlib, json, os, sys, traceback

names = json.load(sys.stdin)
ours = tuple({name.partition(".")[0] for name in names})

def in_a_child(work):
    reader, writer = os.pipe()
    if os.fork() == 0:
        with os.fdopen(writer, "w") as answer:
            json.dump(work(), answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.wait()
    return json.loads(text or '"died"')

def failure(name):
    try:
        importlib.import_module(name)
    except BaseException:
        return traceback.format_exc()

def libraries():
    for name in names:
        failure(name)
    return [name for name in sys.modules if name.partition(".")[0] not in ours]

for name in in_a_child(libraries):
    with contextlib.suppress(Exception):
        importlib.import_module(name)
assert not [name for name in sys.modules if name.partition(".")[0] in ours]
print(json.dumps({name: found for name in names if (found := in_a_child(lambda: failure(name)))}))
"""


@pytest.mark.smoke
def test_every_module_imports_on_its_own() -> None:
    assert "hub.plugin.types" in MODULES
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(MODULES),
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    failures = json.loads(result.stdout)
    assert not failures, "\n".join(f"{name}: {trace}" for name, trace in failures.items())
