"""The two servers, started once, and the storage opened on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import voluptuous as vol

from hub.plugin import Storage
from hub.plugin.testing import make_context
from plugins.storage.s3 import fras_plugins
from tests.support.s3_servers import Server, moto, rclone

_numbers = count()

Opener = Callable[[dict[str, Any]], AbstractAsyncContextManager[Storage]]
Prober = Callable[[dict[str, Any]], Awaitable[str]]


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Server]:
    with moto() as server:
        yield server


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture
def bucket() -> str:
    """A name that no other test has."""
    return f"lindenschule-{next(_numbers)}"


@pytest.fixture
def said() -> list[str]:
    """What the storage told as its progress."""
    return []


@pytest.fixture
def opened(tmp_path: Path, said: list[str]) -> Opener:
    """The storage with a section of hub.yaml; the same data folder for all openings of one test."""
    (spec,) = fras_plugins()

    @asynccontextmanager
    async def opening(config: dict[str, Any]) -> AsyncIterator[Storage]:
        checked = vol.Schema(dict(spec.config_schema))(config)
        async with (
            make_context(tmp_path, data_folder=tmp_path / "s3", base_folder=tmp_path) as context,
            spec.open(checked, context) as storage,
        ):
            context.said = said
            yield storage

    return opening


@pytest.fixture
def probed(tmp_path: Path) -> Prober:
    """What `fras check --connect` says."""
    (spec,) = fras_plugins()

    async def probing(config: dict[str, Any]) -> str:
        assert spec.probe is not None
        async with make_context(tmp_path, data_folder=tmp_path / "probe", base_folder=tmp_path) as context:
            return await spec.probe(vol.Schema(dict(spec.config_schema))(config), context)

    return probing


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage that tries again at once."""
    from plugins.storage.s3 import bucket, line, uploads

    for module, name, value in (
        (bucket, "ATTEMPTS", 1), (line, "FIRST_WAIT", 0.02), (line, "LONGEST_WAIT", 0.08),
        (uploads, "BUSY_AGAIN", 0.05), (uploads, "LOOK", 0.1), (uploads, "SAY", 0.1),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def impatient(eager: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And that gives an answer half a second."""
    from plugins.storage.s3 import bucket, line

    monkeypatch.setattr(bucket, "READ", 0.3)
    monkeypatch.setattr(line, "LONGEST_CALL", 0.5)
