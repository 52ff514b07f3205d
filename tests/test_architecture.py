"""Who may import whom, what importing costs, and how long a file may be. DESIGN's rules, held by walking the code."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("hub", "plugins", "config", "node")
OURS = frozenset(PACKAGES)
LONGEST_FILE = 400
HEAVY = ("PIL", "av", "boto3", "cv2", "dlib", "onnx", "onnxruntime", "picamera2", "zeroconf")
TESTING = "hub.plugin.testing"


@dataclass(frozen=True, slots=True)
class Import:
    """`importer` imports `module` (for `from a import b`, `a.b` too where that is a module), at `line`.

    `eager` when it runs as soon as `importer` is imported.
    """

    importer: str
    module: str
    line: int
    eager: bool

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}, imports {self.module}"


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(file): file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))}


def imports_of(module: str) -> Iterator[Import]:
    file = FILES[module]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    yield from _walk(tree, module, package, eager=True)


def _walk(node: ast.AST, module: str, package: str, *, eager: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module, alias.name, child.lineno, eager)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                above = package.split(".")[: len(package.split(".")) - child.level + 1]
                base = ".".join((*above, base) if base else above)
            for alias in child.names:
                full = f"{base}.{alias.name}"
                yield Import(module, full if full in FILES else base, child.lineno, eager)
        else:
            lazy = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
                isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            )
            yield from _walk(child, module, package, eager=eager and not lazy)


IMPORTS = [found for module in FILES for found in imports_of(module)]


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def ours(module: str) -> bool:
    return module.partition(".")[0] in OURS


def offending(*, importers: str | tuple[str, ...], allowed: tuple[str, ...]) -> list[str]:
    """Imports of our own modules by `importers` other than `allowed`."""
    importers = (importers,) if isinstance(importers, str) else importers
    return [
        str(found)
        for found in IMPORTS
        if within(found.importer, *importers) and ours(found.module) and not within(found.module, *allowed)
    ]


def test_there_is_something_to_walk() -> None:
    assert {"hub.plugin.types", "hub.attendance.records", "plugins.cameras.folder"} <= set(FILES)
    assert any(found.importer == "hub.plugin.roles" and found.module == "hub.plugin.types" for found in IMPORTS)


def test_the_plugin_interface_imports_nothing_else_of_the_hub() -> None:
    assert offending(importers="hub.plugin", allowed=("hub.plugin",)) == []


def test_attendance_is_pure() -> None:
    assert offending(importers="hub.attendance", allowed=("hub.attendance",)) == []
    impure = [
        str(found)
        for found in IMPORTS
        if within(found.importer, "hub.attendance")
        and not ours(found.module)
        and (
            found.module.partition(".")[0] not in sys.stdlib_module_names
            or within(
                found.module, "asyncio", "io", "os", "pathlib", "random", "socket", "sqlite3", "subprocess", "time"
            )
        )
    ]
    assert impure == []


def test_attendance_never_asks_a_clock() -> None:
    asking = [
        f"{module}, line {node.lineno}"
        for module, file in FILES.items()
        if within(module, "hub.attendance")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
    ]
    assert asking == []


def plugin_of(module: str) -> str:
    """plugins.<kind>.<name>, or the module itself above that."""
    return ".".join(module.split(".")[:3])


def test_plugins_import_the_interface_and_themselves_only() -> None:
    strangers = [
        str(found)
        for found in IMPORTS
        if within(found.importer, "plugins")
        and ours(found.module)
        and not within(found.module, "hub.plugin", plugin_of(found.importer))
        and not (plugin_of(found.importer) == "plugins.cameras.pi_node" and within(found.module, "node.wire"))
    ]
    assert strangers == []
    assert [
        str(found) for found in IMPORTS if within(found.importer, "plugins") and within(found.module, TESTING)
    ] == []


def test_the_hub_never_imports_a_plugin() -> None:
    assert [str(found) for found in IMPORTS if ours(found.importer) and within(found.module, "plugins")
            and not within(found.importer, "plugins")] == []  # fmt: skip


def test_reading_configuration_knows_neither_hub_nor_plugins() -> None:
    assert offending(importers="config", allowed=("config",)) == []


def test_node_and_hub_share_the_wire_only() -> None:
    assert offending(importers="node", allowed=("node",)) == []
    crossing = [
        str(found)
        for found in IMPORTS
        if within(found.importer, "hub")
        and within(found.module, "node")
        and not (within(found.importer, "hub.nodes") and within(found.module, "node.wire"))
    ]
    assert crossing == []


@pytest.mark.parametrize(
    ("libraries", "home"),
    [
        (("sqlalchemy", "sqlite3", "aiosqlite", "asyncpg", "alembic"), "hub.db"),
        (("aiohttp.web",), ("hub.web", "hub.nodes.listener", "hub.nodes.link")),
        (("aiohttp_jinja2", "jinja2"), "hub.web"),
        (("yaml",), ("config", "plugins", "node.settings")),
        (("typer", "click", "rich"), ("hub.cli", "hub.__main__", "node")),
        (("pluggy",), ("hub.plugin", "hub.runtime")),
        (("pytest", "hypothesis"), TESTING),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_a_library_has_one_home(libraries: tuple[str, ...], home: str | tuple[str, ...]) -> None:
    homes = (home,) if isinstance(home, str) else home
    assert [
        str(found) for found in IMPORTS if within(found.module, *libraries) and not within(found.importer, *homes)
    ] == []


def test_no_cancellation_is_swallowed() -> None:
    """Before Python 3.12 asyncio.wait_for forgets one that comes when what it waits for has come, too."""
    using = [name for name, file in FILES.items() if "asyncio.wait_for(" in file.read_text("utf-8")]
    assert not using, f"asyncio.timeout does not: {using}"


def test_no_imports_in_circles() -> None:
    eager: dict[str, set[str]] = {module: set() for module in FILES}
    for found in IMPORTS:
        if found.eager and found.module in FILES and not found.importer.startswith(f"{found.module}."):
            eager[found.importer].add(found.module)
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path[path.index(module) :], module))
        if module not in done:
            for imported in sorted(eager[module]):
                visit(imported, (*path, module))
            done.add(module)

    for module in FILES:
        visit(module, ())


def test_files_stay_short() -> None:
    lengths = {module: len(file.read_text(encoding="utf-8").splitlines()) for module, file in FILES.items()}
    assert {module: length for module, length in lengths.items() if length > LONGEST_FILE} == {}


IMPORT_EACH = """
import json, os, sys
# What takes long is imported once and shared by the children.
import aiohttp.web, aiohttp_jinja2, alembic, av, boto3.s3.transfer, botocore.session, cryptography.x509, cv2, hypothesis
import numpy, onnx, onnxruntime, PIL.Image, pluggy, pytest, rich.table, segno, sqlalchemy.ext.asyncio, typer, voluptuous
import yaml, zeroconf

failed = {}
for module in json.load(sys.stdin):
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            __import__(module)
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        if text := told.read():
            failed[module] = text.decode()
    os.waitpid(child, 0)
print(json.dumps(failed))
"""


def python(program: str, stdin: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", program],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def needed_at_once() -> dict[str, set[str]]:
    """Module → those of ours that are imported before it is ready, the packages it lies in among them."""
    needed: dict[str, set[str]] = {module: set() for module in FILES}
    for found in IMPORTS:
        if found.eager and found.module in FILES:
            needed[found.importer].add(found.module)
    for module, others in needed.items():
        others |= {
            ".".join(name.split(".")[:end]) for name in (module, *others) for end in range(1, name.count(".") + 1)
        }
        others.discard(module)
    return needed


def in_a_circle(module: str, needed: dict[str, set[str]]) -> bool:
    """Whether importing `module` first may find another one half imported."""
    seen: set[str] = set()
    ahead = set(needed[module])
    while ahead - seen:
        one = (ahead - seen).pop()
        seen.add(one)
        ahead |= needed.get(one, set())
    return module in seen


@pytest.mark.smoke
def test_each_module_imports_on_its_own() -> None:
    """Where nothing goes round in a circle, importing all of it one after the other shows as much."""
    modules = [m for m in FILES if not m.endswith("__main__") and not within(m, "hub.db.migrations")]
    needed = needed_at_once()
    alone = [module for module in modules if in_a_circle(module, needed)]
    assert len(alone) < len(modules)
    assert json.loads(python(IMPORT_EACH, json.dumps(alone))) == {}
    python("import json, sys\nfor module in json.load(sys.stdin): __import__(module)", json.dumps(modules))


def test_discovery_imports_nothing_heavy() -> None:
    modules = [point.module for point in entry_points(group="fras.plugins") if point.dist and point.dist.name == "fras"]
    assert modules
    for module in ("hub.plugin", "hub.runtime.catalog", *modules):
        loaded = python(f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))").split()
        assert loaded == [], f"importing {module} loads {loaded}"


def test_the_interface_imports_no_test_tools() -> None:
    assert python("import sys, hub.plugin; print(*{'pytest', 'hypothesis'} & set(sys.modules))").split() == []


def test_a_folder_of_plugins_is_a_platform_that_is_installed() -> None:
    """Every package below plugins/<kind>/ stands in pyproject's entry points under its own name."""
    folders = {m for m in FILES if m.startswith("plugins.") and m.count(".") == 2 and FILES[m].name == "__init__.py"}
    offered = {
        point.module: point.name
        for point in entry_points(group="fras.plugins")
        if point.dist and point.dist.name == "fras"
    }
    assert folders == set(offered)
    assert all(module.rpartition(".")[2] == name for module, name in offered.items())
