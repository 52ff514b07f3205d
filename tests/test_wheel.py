"""What is installed has everything that the source has: templates, pictures of the demo people, migrations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("config", "hub", "node", "plugins")

LOOK = """
import json
from pathlib import Path
import hub
from hub.db import schema
from hub.web.pages.static import FILES
from hub.web.pages.templates import FOLDER
from plugins.cameras.demo import PORTRAITS
from plugins.cameras.demo.camera import cast_of
print(json.dumps([
    hub.__file__,
    len(cast_of().pupils),
    len(list(PORTRAITS.rglob("*.jpg"))),
    sorted(FILES),
    (FOLDER / "today.html").is_file(),
    schema.known(schema.HEAD),
]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="hatchling, which set-up installs, is not here")
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("fras-*.whl")
    return file


def test_it_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    source = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == source
    assert {Path(name).suffix for name in held} >= {".py", ".html", ".css", ".js", ".svg", ".jpg", ".webp", ".csv"}


def test_what_it_installs_finds_its_files(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    said = subprocess.run(
        [sys.executable, "-c", LOOK],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    where, pupils, portraits, static, template, migration = json.loads(said)
    assert Path(where).is_relative_to(tmp_path)
    assert (pupils, template, migration) == (11, True, True)
    assert portraits >= 50
    assert {"fras.css", "panel.js", "live.js", "recovery.js"} <= set(static)
