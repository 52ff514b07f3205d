"""What every test gets: the shared data where it is, and a check that nothing is left running."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import postgres
from tests.support.distributions import forgetting
from tests.support.facts import KIND
from tests.support.filmed import filmed, filmed_once
from tests.support.fras import School
from tests.support.postgres import PGVECTOR

__all__ = ["filmed", "filmed_once"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    elsewhere = (["sqlite"] if KIND == "postgresql" else []) + (["memory"] if PGVECTOR else [])
    left_out = [item for item in items if any(item.get_closest_marker(mark) for mark in elsewhere)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    # The longest test of all begins first: last, it would be waited for alone.
    items.sort(key=lambda item: "scripts" not in item.path.parts)


def pytest_sessionfinish() -> None:
    postgres.finish()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of photographs and models that are never committed; skips where it is absent."""
    folder = Path(os.environ.get("FRAS_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no photographs and models: {folder}/data is not there (set FRAS_SHARED)")
    return folder


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_running(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Fails a test that leaves a task or a non-daemon thread behind."""
    threads = set(threading.enumerate())
    tasks = asyncio.all_tasks()
    yield
    ours = tasks | {asyncio.current_task()}
    lingering = [task for task in asyncio.all_tasks() if task not in ours and not task.done()]
    left = [t for t in set(threading.enumerate()) - threads if t.is_alive() and not t.daemon]
    left = [t for t in left if not t.name.startswith("asyncio_")]
    assert not lingering, f"tasks left running: {lingering}"
    assert not left, f"threads left running: {left}"


@pytest.fixture(autouse=True)
def logging_as_python_has_it() -> Iterator[None]:
    """`fras run` in this process, be it for a fixture of the session, sets what is logged; no test must notice."""
    root, handlers = logging.getLogger(), list(logging.getLogger().handlers)
    root.setLevel(logging.WARNING)
    logging.getLogger("fras").setLevel(logging.NOTSET)
    yield
    root.handlers[:] = handlers


@pytest.fixture
def school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    """A school in a folder of its own whose recogniser goes by colours."""
    made = School(tmp_path)
    monkeypatch.syspath_prepend(made.site)
    with forgetting(made.site):
        yield made
