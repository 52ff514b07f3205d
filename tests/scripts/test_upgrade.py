"""An upgrade over a migration and the way back, with FRAS itself: only systemd, users and pip are stand-ins."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.db.schema import HEAD
from tests.support import colours
from tests.support.distributions import install
from tests.support.fras import HUB_YAML
from tests.support.releases import FURTHER, checkout, next_release

INSTALL = """\
#!/bin/sh
set -eu
cd "$(dirname "$0")/.."
mkdir -p .venv/bin
for name in fras python; do
    words=$([ $name = python ] || echo "-m hub")
    printf '#!/bin/sh\\nPYTHONPATH=%s:%s exec %s %s "$@"\\n' "$(pwd)" "$SITE" "$REAL_PYTHON" "$words" >.venv/bin/$name
done
printf '#!/bin/sh\\n' >.venv/bin/python
chmod +x .venv/bin/*
"""

SYSTEMCTL = '''\
#!{python}
"""Starts and stops the unit's program as `Type=notify` says."""
import os, re, signal, socket, subprocess, sys, time
from pathlib import Path

root = Path(os.environ["FRAS_ROOT"])
pid = root / "pid"

def stop():
    if pid.exists():
        process = int(pid.read_text())
        pid.unlink()
        os.kill(process, signal.SIGTERM)
        while Path(f"/proc/{{process}}").exists() and "Z" not in Path(f"/proc/{{process}}/stat").read_text().split()[2]:
            time.sleep(0.02)

def start():
    unit = (root / "etc/systemd/system/fras.service").read_text()
    words = re.search("^ExecStart=(.*)", unit, re.M)[1].split()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(f"\\0fras-{{root}}")
        link.settimeout(60)
        environment = os.environ | {{"NOTIFY_SOCKET": f"@fras-{{root}}"}}
        with open(root / "log", "a") as log:
            process = subprocess.Popen(words, env=environment, cwd="/", stdout=log, stderr=log, start_new_session=True)
        pid.write_text(str(process.pid))
        while b"READY=1" not in link.recv(4096):
            pass

word = next(word for word in sys.argv[1:] if not word.startswith("-"))
if sys.argv[-1] == "fras.service":
    if word in ("stop", "restart"):
        stop()
    if word == "restart":
        start()
'''

TOOLS = {"useradd": ":", "getent": ":", "runuser": 'shift 3; exec "$@"', "chown": ":"}


class Machine:
    """`root` is its disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        (self.root / "etc/fras").mkdir(parents=True)
        (self.root / "etc/fras/hub.yaml").write_text(HUB_YAML.replace("mode: once", "mode: watch"))
        (self.root / "etc/fras/incoming").mkdir()
        self.site = folder / "site"
        install(self.site, "fras-colours", "colours", Path(colours.__file__).read_text("utf-8"))
        tools = folder / "bin"
        tools.mkdir()
        for name, script in TOOLS.items():
            (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / "systemctl").write_text(SYSTEMCTL.format(python=sys.executable))
        for tool in tools.iterdir():
            tool.chmod(0o755)
        self.environment = os.environ | {
            "FRAS_ROOT": str(self.root),
            "PATH": f"{tools}:{os.environ['PATH']}",
            "SITE": str(self.site),
            "REAL_PYTHON": sys.executable,
        }

    def service(self, checkout: Path, word: str = "install") -> subprocess.CompletedProcess[str]:
        (checkout / "scripts/install").write_text(INSTALL)
        return self._run("sh", str(checkout / "scripts/service"), word)

    def fras(self, *words: str) -> str:
        done = self._run(
            f"{self.root}/opt/fras/current/.venv/bin/fras", *words,
            "-c", f"{self.root}/etc/fras/hub.yaml", "--data", str(self.data),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, env=self.environment, capture_output=True, text=True, check=False, cwd=self.folder, timeout=180
        )

    @property
    def data(self) -> Path:
        return self.root / "var/lib/fras"

    @property
    def release(self) -> str:
        return (self.root / "opt/fras/current").resolve().name.partition("-")[0]

    @property
    def schema(self) -> str:
        with closing(sqlite3.connect(self.data / "fras.db")) as database:
            return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])

    @property
    def runs(self) -> bool:
        process = self.root / "pid"
        return process.exists() and b"hub" in Path(f"/proc/{process.read_text()}/cmdline").read_bytes()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made._run(str(tmp_path / "bin/systemctl"), "stop", "fras.service")


def test_over_a_migration_and_back(machine: Machine) -> None:
    first, second = machine.folder / "first", machine.folder / "second"
    done = machine.service(checkout(first))
    assert done.returncode == 0, done.stdout + done.stderr
    version = machine.release
    machine.fras("people", "add", "ada")
    machine.fras("people", "add", "bob")

    done = machine.service(next_release(second))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (machine.release, machine.schema, machine.runs) == ("9.1.0", FURTHER, True)
    (kept,) = (machine.root / "var/backups/fras").iterdir()
    with tarfile.open(kept) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest
        assert f'"schema": "{HEAD}"'.encode() in manifest.read(), "made before the migration"
    machine.fras("people", "remove", "ada")
    machine.fras("people", "consent", "bob", "refused", "--signed-by", "a parent")

    done = machine.service(first, "rollback")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"runs again, on the backup {kept}" in done.stdout
    assert (machine.release, machine.schema, machine.runs) == (version, HEAD, True)
    people = machine.fras("people", "list", "--json")
    assert ("ada" in people, "refused" in people) == (False, True), "what the newer release was told holds"
    assert len(list(machine.data.glob("before-restore-*"))) == 1
