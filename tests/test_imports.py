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

# A fresh process forks for each module, so that none finds what another imported; libraries are loaded once before.
PROGRAM = """
import importlib, json, os, sys, traceback
import aiohttp, numpy, pluggy, rich, sqlalchemy, typer, voluptuous

for name in json.load(sys.stdin):
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(json.dumps([name, traceback.format_exc()]), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
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
    failures = dict(json.loads(line) for line in result.stdout.splitlines())
    assert not failures, "\n".join(f"{name}: {trace}" for name, trace in failures.items())
