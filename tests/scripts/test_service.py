"""scripts/service installs, upgrades and goes back: real files and links; systemd, users and FRAS are stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FRAS = """#!/bin/sh
release=$(basename "$(dirname "$(dirname "$(dirname "$0")")")")
echo "fras ${release%%-*} $*" >>"$FRAS_ROOT/log"
case $1 in
backup) echo "backup of ${release%%-*}" >"$2" ;;
restore) cp "$2" "$FRAS_ROOT/var/lib/fras/fras.db"; rm -f "$FRAS_ROOT/fails ${release%%-*} reload" ;;
esac
[ ! -e "$FRAS_ROOT/fails ${release%%-*} $1" ]
"""

INSTALL = """#!/bin/sh
set -eu
cd "$(dirname "$0")/.."
[ ! -e "$FRAS_ROOT/fails install" ]
mkdir -p .venv/bin
cp ../../../../fras-stand-in .venv/bin/fras
printf '#!/bin/sh\\n' >.venv/bin/python
chmod +x .venv/bin/*
"""

TOOLS = {
    "systemctl": 'echo "systemctl $*" >>"$FRAS_ROOT/log"',
    "useradd": 'echo "useradd $*" >>"$FRAS_ROOT/log"',
    "getent": "exit 2",
    "runuser": 'shift 3; exec "$@"',
    "chown": ":",
}


class Machine:
    """`root` is its disk; `checkout` what is installed from."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.checkout = folder / "checkout"
        (self.checkout / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts/service", self.checkout / "scripts")
        shutil.copytree(ROOT / "deploy", self.checkout / "deploy")
        for name in ("hub", "plugins", "config", "node", "docs", "requirements"):
            (self.checkout / name).mkdir()
        (self.checkout / "hub.yaml").write_text("hub: {name: Shipped}\n")
        (self.checkout / "scripts/install").write_text(INSTALL)
        (self.checkout / "scripts/install").chmod(0o755)
        (self.root / "fras-stand-in").write_text(FRAS)
        self.tools = folder / "bin"
        self.tools.mkdir()
        for name, script in TOOLS.items():
            (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
            (self.tools / name).chmod(0o755)

    def service(self, word: str, version: str = "1") -> subprocess.CompletedProcess[str]:
        (self.checkout / "pyproject.toml").write_text(f'version = "{version}"\n')
        (self.root / "log").write_text("")
        return subprocess.run(
            ["sh", self.checkout / "scripts/service", word],
            env={"FRAS_ROOT": str(self.root), "PATH": f"{self.tools}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    def fails(self, what: str) -> None:
        (self.root / f"fails {what}").touch()

    @property
    def log(self) -> list[str]:
        return (self.root / "log").read_text().splitlines()

    @property
    def current(self) -> str:
        """The version that runs."""
        return (self.root / "opt/fras/current").resolve().name.partition("-")[0]

    @property
    def releases(self) -> list[str]:
        return sorted(path.name.partition("-")[0] for path in (self.root / "opt/fras/releases").iterdir())

    @property
    def data(self) -> Path:
        return self.root / "var/lib/fras"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def installed(machine: Machine) -> Machine:
    """Version 1 runs, and has data."""
    done = machine.service("install", "1")
    assert done.returncode == 0, done.stderr
    (machine.data / "fras.db").write_text("data of 1")
    return machine


def test_a_first_installation(machine: Machine) -> None:
    done = machine.service("install")
    assert done.returncode == 0, done.stderr
    assert machine.log[0].startswith("useradd --system --user-group")
    assert "systemctl enable --quiet fras.service fras-backup.timer" in machine.log
    assert machine.log.index("systemctl restart fras.service") < machine.log.index(
        f"fras 1 reload -c {machine.root}/etc/fras/hub.yaml --data {machine.data}"
    )
    assert not any(line.startswith("fras 1 backup") for line in machine.log)
    assert (machine.root / "etc/fras/hub.yaml").read_text() == "hub: {name: Shipped}\n"
    assert machine.data.stat().st_mode & 0o777 == 0o700
    unit = (machine.root / "etc/systemd/system/fras.service").read_text()
    assert f"ExecStart={machine.root}/opt/fras/current/.venv/bin/fras run" in unit
    assert machine.current == "1"


def test_an_upgrade_backs_up_first_with_the_release_that_runs(installed: Machine) -> None:
    (installed.root / "etc/fras/hub.yaml").write_text("hub: {name: Ours}\n")
    done = installed.service("install", "2")
    assert done.returncode == 0, done.stderr
    commands = [line.split(" -c ")[0] for line in installed.log if line.startswith("fras")]
    assert commands[0] == "fras 2 check"
    assert commands[1].startswith(f"fras 1 backup {installed.root}/var/backups/fras/before-2-")
    assert commands[2] == "fras 2 reload"
    assert installed.current == "2"
    assert (installed.root / "etc/fras/hub.yaml").read_text() == "hub: {name: Ours}\n"


@pytest.mark.parametrize("failing", ["install", "2 check", "1 backup"])
def test_what_fails_before_the_exchange_changes_nothing(installed: Machine, failing: str) -> None:
    installed.fails(failing)
    done = installed.service("install", "2")
    assert done.returncode == 1
    assert "nothing" in done.stderr
    assert "Next: " in done.stderr
    assert (installed.current, installed.releases) == ("1", ["1"])
    assert not any("restart" in line or "stop" in line for line in installed.log)


def test_a_release_that_does_not_run_is_undone(installed: Machine) -> None:
    installed.fails("2 reload")
    done = installed.service("install", "2")
    assert done.returncode == 1
    assert "the upgrade failed, and was undone" in done.stderr
    assert (installed.current, installed.releases) == ("1", ["1"])
    assert not any(line.startswith("fras 1 restore") for line in installed.log), "the old one works with the data"
    assert (installed.data / "fras.db").read_text() == "data of 1"


def test_data_that_the_old_release_cannot_read_any_more_come_from_the_backup(installed: Machine) -> None:
    installed.fails("2 reload")
    installed.fails("1 reload")
    done = installed.service("install", "2")
    assert done.returncode == 1
    assert "runs again, on the backup" in done.stdout
    assert installed.current == "1"
    assert (installed.data / "fras.db").read_text() == "backup of 1\n"


def test_rollback_goes_back_once(installed: Machine) -> None:
    assert installed.service("install", "2").returncode == 0
    done = installed.service("rollback", "2")
    assert done.returncode == 0, done.stderr
    assert installed.current == "1"
    done = installed.service("rollback", "2")
    assert (done.returncode, "there is no release to go back to" in done.stderr) == (1, True)


def test_three_releases_are_kept(installed: Machine) -> None:
    for version in "2345":
        done = installed.service("install", version)
        assert done.returncode == 0, done.stderr
        for path in (installed.root / "opt/fras/releases").iterdir():
            os.utime(path, (int(path.name[0]), int(path.name[0])))
    assert installed.releases == ["3", "4", "5"]
    assert len(list((installed.root / "var/backups/fras").iterdir())) == 3


def test_removal_keeps_configuration_data_and_backups(installed: Machine) -> None:
    assert installed.service("remove").returncode == 0
    assert not (installed.root / "opt/fras").exists()
    assert not list((installed.root / "etc/systemd/system").iterdir())
    assert (installed.data / "fras.db").exists()
    assert (installed.root / "etc/fras/hub.yaml").exists()


def test_usage(machine: Machine) -> None:
    done = machine.service("upgrade")
    assert done.returncode == 2
    assert "scripts/service rollback" in done.stdout


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_the_units_are_sound_and_hardened(tmp_path: Path) -> None:
    for unit in (ROOT / "deploy").glob("fras*"):
        text = unit.read_text().replace("/opt/fras/current/.venv/bin/fras", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    units = [str(path) for path in sorted(tmp_path.iterdir())]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    security = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=14", str(tmp_path / "fras.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert security.returncode == 0, security.stdout
