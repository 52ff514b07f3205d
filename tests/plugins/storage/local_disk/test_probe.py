"""What `fras check --connect` says of a folder that crops are to be kept in."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.plugin import NeedsHuman
from plugins.storage.local_disk import fras_plugins
from tests.support.context import make_context

(LOCAL_DISK,) = fras_plugins()


async def said(folder: Path, config: dict[str, str]) -> str:
    assert LOCAL_DISK.probe is not None
    async with make_context(folder) as context:
        return await LOCAL_DISK.probe(config, context)


async def test_how_much_room_there_is(tmp_path: Path) -> None:
    assert await said(tmp_path, {}) == "in the data folder"
    (tmp_path / "images").mkdir()
    assert (await said(tmp_path, {"path": "images"})).endswith(" GB free")
    assert "GB free; it is made at the first start" in await said(tmp_path, {"path": "new/images"})
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "images").iterdir()) == []


@pytest.mark.parametrize("path", ["/proc/nowhere", "file/images"])
async def test_where_nothing_can_be_kept(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NeedsHuman, match=f"the folder .*{path} cannot be written: ") as raised:
        await said(tmp_path, {"path": path})
    assert "storage: path:" in raised.value.hint
