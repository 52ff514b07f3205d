"""scripts/install, with the real interpreter and without the network: each way to fail says what to do next."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("awk", "cat", "cksum", "date", "dirname", "expr", "grep", "rm", "sed", "sh", "tail", "tee", "tr")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what set-up reads, a PATH of the few tools it may presume, and a Python without pip and ensurepip."""
    folder = tmp_path / "fras"
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (tools / name).symlink_to(found)
    bare = tmp_path / "bare"
    bare.mkdir()
    for module in ("pip", "ensurepip"):
        (bare / f"{module}.py").write_text(f"raise SystemExit('No module named {module}')\n")
    return folder


def command(checkout: Path, name: str, script: str) -> None:
    path = checkout.parent / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def install(checkout: Path, what: str = "run", **environment: str) -> subprocess.CompletedProcess[str]:
    tmp_path = checkout.parent
    base = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path / "bare")}
    base["PYTHON"] = sys.executable
    return subprocess.run(
        ["/bin/sh", checkout / "scripts" / "install", what],
        env=base | environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def pretend_installed(checkout: Path, what: str) -> None:
    """Leaves the checkout as a finished set-up would."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    inputs = ["requirements/build.txt", "requirements/run.txt", "requirements/dev.txt", "pyproject.toml"]
    content = b"".join((checkout / name).read_bytes() for name in [*inputs, "scripts/install"])
    digest = subprocess.run(["cksum"], input=content, capture_output=True, check=True).stdout.decode().strip()
    (checkout / ".venv" / ".fras-installed").write_text(f"{what}\n{checkout.resolve()}\n{digest}\n")


def test_a_user_without_pip_is_told_the_package_to_add(checkout: Path) -> None:
    command(checkout, "id", "echo 1000")
    command(checkout, "apt-get", "echo never called; exit 1")
    result = install(checkout)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert result.returncode == 1
    assert "has neither ensurepip nor pip" in result.stderr
    assert f"Next: sudo apt-get update && sudo apt-get install python{version}-venv" in result.stderr
    assert "never called" not in result.stdout + result.stderr


def test_root_has_the_package_added_and_sees_why_that_failed(checkout: Path) -> None:
    command(checkout, "id", "echo 0")
    command(checkout, "apt-get", 'echo "apt-get $*"; [ "$1" = update ]')
    result = install(checkout)
    assert result.returncode == 1
    assert "Adding the system package python3." in result.stdout
    assert "apt-get update" in result.stderr
    assert "apt-get install --yes --no-install-recommends python3." in result.stderr
    assert "install it by hand" in result.stderr


def test_without_apt_the_message_names_pip(checkout: Path) -> None:
    result = install(checkout)
    assert result.returncode == 1
    assert "add pip with your system's package manager" in result.stderr


def test_a_failing_pip_shows_its_end_and_the_log(checkout: Path) -> None:
    (checkout.parent / "bare" / "pip.py").write_text(
        "import sys\n"
        "if '--version' in sys.argv: raise SystemExit\n"
        "print('Collecting numpy')\n"
        "raise SystemExit('ERROR: THESE PACKAGES DO NOT MATCH THE HASHES')\n"
    )
    result = install(checkout)
    assert result.returncode == 1
    assert "DO NOT MATCH THE HASHES" in result.stderr
    assert "its whole output is in .venv/install.log" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (checkout / ".venv" / ".fras-installed").exists()


def test_every_pip_call_checks_hashes_except_the_one_for_fras_itself(checkout: Path) -> None:
    (checkout.parent / "bare" / "pip.py").write_text(
        "import sys\nif '--version' not in sys.argv: print('CALL', *sys.argv[1:])\n"
    )
    result = install(checkout, "dev")
    assert result.returncode == 0, result.stderr
    log = (checkout / ".venv" / "install.log").read_text()
    calls = [line for line in log.splitlines() if line.startswith("CALL")]
    assert len(calls) == 3
    assert all("--no-deps" in call for call in calls)
    hashed = [call for call in calls if "--require-hashes" in call]
    assert [call.split(" -r ")[1] for call in hashed] == ["requirements/build.txt", "requirements/dev.txt"]
    assert calls[2].endswith("--no-build-isolation --editable .")


def test_a_file_in_the_way_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv").write_text("mine")
    result = install(checkout)
    assert result.returncode == 1
    assert ".venv is in the way" in result.stderr
    assert (checkout / ".venv").read_text() == "mine"


@pytest.mark.parametrize("what", ["run", "dev"])
def test_nothing_is_done_when_nothing_changed(checkout: Path, what: str) -> None:
    pretend_installed(checkout, "dev")
    result = install(checkout, what)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "changed", ["pyproject.toml", "requirements/build.txt", "requirements/run.txt", "requirements/dev.txt"]
)
def test_a_changed_input_installs_again(checkout: Path, changed: str) -> None:
    pretend_installed(checkout, "run")
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    assert "Installing FRAS" in install(checkout, PATH=with_pip(checkout)).stdout


def test_dev_is_not_satisfied_by_run(checkout: Path) -> None:
    pretend_installed(checkout, "run")
    assert "Installing FRAS" in install(checkout, "dev", PATH=with_pip(checkout)).stdout


def test_a_moved_checkout_gets_a_new_environment(checkout: Path) -> None:
    pretend_installed(checkout, "run")
    moved = checkout.rename(checkout.with_name("moved"))
    assert "→ .venv" in install(moved, PATH=with_pip(moved)).stdout


def test_an_environment_whose_python_is_gone_is_made_again(checkout: Path) -> None:
    pretend_installed(checkout, "run")
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert "→ .venv" in install(checkout, PATH=with_pip(checkout)).stdout


def with_pip(checkout: Path) -> str:
    """Gives the bare Python a pip that starts and installs nothing; returns the PATH unchanged."""
    (checkout.parent / "bare" / "pip.py").write_text("")
    return os.fspath(checkout.parent / "bin")
