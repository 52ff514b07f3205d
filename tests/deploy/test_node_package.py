"""The node's package and cards, built and looked into; nothing is installed here."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "node"


def run(*words: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("there is no dpkg-deb")
    made = tmp_path_factory.mktemp("deb")
    return Path(run(DEPLOY / "build-deb", made, SOURCE_DATE_EPOCH="1700000000").strip())


class TestPackage:
    def test_what_is_in_it_runs(self, deb: Path, tmp_path: Path) -> None:
        run("dpkg-deb", "--extract", deb, tmp_path)
        inside = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
        modules = {f"usr/lib/fras-node/{file.relative_to(ROOT)}" for file in (ROOT / "node").rglob("*.py")}
        assert modules <= inside
        assert {"etc/fras-node/node.yaml", "usr/bin/fras-node", "lib/systemd/system/fras-node.service"} <= inside
        assert not [file for file in inside if file.endswith(".pyc") or "/hub/" in file]
        starts = (
            "import sys; sys.path.insert(0, sys.argv[1]); import node.cli, node.agent, node.wifi; print(node.__file__)"
        )
        lib = tmp_path / "usr/lib/fras-node"
        where = run(sys.executable, "-I", "-c", starts, lib)
        assert where.strip() == str(lib / "node/__init__.py")
        assert "platform: picamera2" in (tmp_path / "etc/fras-node/node.yaml").read_text()

    def test_what_it_says_of_itself(self, deb: Path) -> None:
        fields = run("dpkg-deb", "--field", deb)
        assert "Architecture: all" in fields
        for package in ("python3-aiohttp", "python3-numpy", "python3-yaml", "python3-voluptuous", "python3-zxing-cpp"):
            assert package in fields
        assert run("dpkg-deb", "--info", deb, "conffiles").strip() == "/etc/fras-node/node.yaml"

    def test_its_files_are_roots_and_nobody_elses_to_write(self, deb: Path) -> None:
        for line in run("dpkg-deb", "--contents", deb).splitlines():
            mode, owner = line.split()[:2]
            assert owner == "root/root"
            assert mode[5] == mode[8] == "-", line

    def test_the_same_checkout_gives_the_same_bytes(self, deb: Path, tmp_path: Path) -> None:
        again = Path(run(DEPLOY / "build-deb", tmp_path, SOURCE_DATE_EPOCH="1700000000").strip())
        assert again.read_bytes() == deb.read_bytes()


@pytest.mark.parametrize("unit", ["fras-node.service", "fras-node-network.service"])
def test_units_are_hardened(unit: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(DEPLOY / unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "Unknown" in done.stderr or "unrecognized" in done.stderr:
        pytest.skip("this systemd-analyze is too old")
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


class TestCard:
    @pytest.fixture
    def card(self, tmp_path: Path) -> Path:
        root = tmp_path / "card"
        for folder in ("etc/ssh", "var/lib/fras-node", "var/lib/systemd", "proc/device-tree", "home"):
            (root / folder).mkdir(parents=True)
        (root / "etc/os-release").write_text("ID=debian\n")
        (root / "etc/machine-id").write_text("0" * 32)
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1\traspberrypi\n")
        (root / "etc/ssh/ssh_host_ed25519_key").write_text("a secret that copies would share")
        (root / "var/lib/fras-node/identity.json").write_text("{}")
        (root / "proc/device-tree/serial-number").write_bytes(b"10000000abcdef12\0")
        return root

    def test_a_card_for_many_boards(self, card: Path, tmp_path: Path) -> None:
        deb, profile, ca = tmp_path / "fras-node_1_all.deb", DEPLOY / "8021x.nmconnection", tmp_path / "school-ca.pem"
        deb.write_bytes(b"package")
        ca.write_text("certificate")
        said = run(
            DEPLOY / "prepare-card", "--root", card, "--deb", deb, "--hostname", "cam", "--packages", tmp_path,
            "--connection", profile, "--file", ca,
        )  # fmt: skip
        assert "ready" in said
        assert not list((card / "etc/ssh").glob("ssh_host*"))
        assert not (card / "var/lib/fras-node").exists()
        assert (card / "etc/machine-id").read_text() == ""
        assert (card / "etc/systemd/system/userconfig.service").readlink() == Path("/dev/null")
        assert "PasswordAuthentication no" in (card / "etc/ssh/sshd_config.d/10-fras-node.conf").read_text()
        setup = card / "usr/local/lib/fras-node-setup"
        assert stat.S_IMODE((setup / "connection").stat().st_mode) == 0o600
        assert stat.S_IMODE((card / "etc/fras-node/network/school-ca.pem").stat().st_mode) == 0o600

        tools = tmp_path / "tools"
        tools.mkdir()
        for tool in ("hostname", "nmcli", "apt-get", "systemctl"):
            (tools / tool).write_text(f'#!/bin/sh\necho {tool} "$@" >>{tmp_path}/called\n')
            (tools / tool).chmod(0o755)
        run(setup / "first-boot", ROOT=str(card), PATH=f"{tools}:{os.environ['PATH']}")
        called = (tmp_path / "called").read_text()
        assert "hostname cam-cdef12" in called
        assert "--no-download" in called
        joined = card / "etc/NetworkManager/system-connections/fras-school.nmconnection"
        assert "identity=host/cam-cdef12\n" in joined.read_text()
        assert stat.S_IMODE(joined.stat().st_mode) == 0o600
        assert (card / "etc/hosts").read_text() == "127.0.0.1 localhost\n127.0.1.1 cam-cdef12\n"
        assert not setup.exists()
        assert not (card / "etc/systemd/system/fras-node-setup.service").exists()

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (["--root", "/nowhere"], "mounted root partition"),
            (["--hostname", "a b"], "small letters"),
            (["--connection", "/nowhere"], "there is no /nowhere"),
            (["--wifi", "x"], "unknown option --wifi"),
        ],
    )
    def test_what_is_wrong_is_said_and_nothing_is_changed(
        self, card: Path, tmp_path: Path, options: list[str], says: str
    ) -> None:
        deb = tmp_path / "x.deb"
        deb.write_bytes(b"")
        words = [str(DEPLOY / "prepare-card"), "--root", str(card), "--deb", str(deb), *options]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert says in done.stderr
        assert (card / "var/lib/fras-node/identity.json").exists()
