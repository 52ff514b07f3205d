"""requirements/*.txt: they lock what pyproject.toml asks for, by hash, and name no package index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = ("build", "run", "dev", "rclone", "node-12", "node-13")


def locked(name: str) -> dict[str, list[tuple[Requirement, list[str]]]]:
    """Package → its pins (several where Pythons differ), each with its hashes."""
    pins: dict[str, list[tuple[Requirement, list[str]]]] = {}
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            parsed = Requirement(requirement)
            pins.setdefault(canonicalize_name(parsed.name), []).append((parsed, hashes))
    return pins


def version(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    assert specifier.operator == "=="
    return specifier.version


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_is_exact_and_hashed(name: str) -> None:
    pins = locked(name)
    assert pins
    for requirement, hashes in (pin for group in pins.values() for pin in group):
        assert version(requirement)
        assert hashes, requirement.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), requirement.name


@pytest.mark.parametrize("name", ["build.txt", "run.txt", "dev.txt", "rclone.txt", "build.in", "exclude.in"])
def test_no_index_and_no_url(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--extra-index|--find-links|--trusted-host|@ file", text)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("run", PROJECT["dependencies"]),
        ("dev", PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]),
        ("build", ["hatchling", "editables", "pip", "setuptools"]),
    ],
)
def test_what_is_asked_for_is_locked(name: str, wanted: list[str]) -> None:
    pins = locked(name)
    for requirement in map(Requirement, wanted):
        group = pins.get(canonicalize_name(requirement.name), [])
        assert group, f"{requirement.name} is in pyproject.toml and not in requirements/{name}.txt: run make lock"
        for pin, _ in group:
            assert requirement.specifier.contains(version(pin)), f"{pin} does not meet {requirement}: run make lock"


def test_one_version_everywhere() -> None:
    """`make test` after `make install` adds packages and changes none."""
    dev = locked("dev")
    for name in ("build", "run"):
        for package, group in locked(name).items():
            if name == "run" or package in dev:
                assert {str(pin) for pin, _ in group} == {str(pin) for pin, _ in dev[package]}, package


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_one_pin_applies_to_each_supported_python(python: str, machine: str) -> None:
    environment: dict[str, str] = {**default_environment()}  # type: ignore[dict-item]
    environment |= {"python_version": python, "python_full_version": f"{python}.0", "platform_machine": machine}
    for package, group in locked("dev").items():
        applying = [pin for pin, _ in group if pin.marker is None or pin.marker.evaluate(environment)]
        windows_only = all("win32" in str(pin.marker) for pin, _ in group)
        assert len(applying) == 1 or windows_only, package


def test_nothing_has_to_be_compiled() -> None:
    """dlib comes as C++ source; tests use its built twin, and a running hub neither."""
    assert "dlib" not in locked("dev")
    assert "dlib-bin" in locked("dev")
    assert not {"dlib", "dlib-bin", "face-recognition"} & locked("run").keys()
