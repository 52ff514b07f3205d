"""The bugs of the project that FRAS is made anew from: their list, and those that the whole tree must not have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("config", "hub", "node", "plugins")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "developing.md").read_text("utf-8"))


def test_the_list_is_there() -> None:
    assert len(NAMED) >= 20


@pytest.mark.parametrize(("file", "test"), sorted(set(NAMED)))
def test_each_test_on_the_list_exists(file: str, test: str) -> None:
    assert f"def {test}(" in (ROOT / file).read_text("utf-8")


def sources() -> list[Path]:
    code = [path for package in PACKAGES for path in (ROOT / package).rglob("*.*")]
    return [*(path for path in code if path.suffix in (".py", ".html", ".js")), ROOT / "hub.yaml"]


def test_nobodys_emotion_age_or_gender_is_asked_for() -> None:
    """Azure answers 403, and the EU's AI Act forbids to infer emotions in education."""
    asked = re.compile(r"""["',](emotion|gender|age|facialHair)["',]|\b(emotion|gender)\s*[:=]""")
    assert [path.relative_to(ROOT) for path in sources() if asked.search(path.read_text("utf-8"))] == []


def test_no_secret_is_in_the_repository() -> None:
    given = re.compile(r"""(?:key|secret|password|token)\s*[:=]\s*["'][A-Za-z0-9+/=_-]{20,}["']""", re.IGNORECASE)
    assert [path.relative_to(ROOT) for path in sources() if given.search(path.read_text("utf-8"))] == []
    assert "/secrets.yaml" in (ROOT / ".gitignore").read_text("utf-8").split()
