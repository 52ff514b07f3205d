"""What `fras check --connect` says of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import voluptuous as vol

from hub.plugin import NeedsHuman, NotReady
from plugins.cameras.folder import CONFIG_SCHEMA, fras_plugins
from plugins.cameras.folder.camera import LOOKED
from tests.support.context import make_context
from tests.support.media import image_file, scene

(FOLDER,) = fras_plugins()


async def said(folder: Path, mode: str = "watch", path: str = "incoming") -> str:
    assert FOLDER.probe is not None
    async with make_context(folder) as context:
        return await FOLDER.probe(vol.Schema(dict(CONFIG_SCHEMA))({"path": path, "mode": mode}), context)


async def test_what_there_is_to_take(tmp_path: Path) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    assert await said(tmp_path) == f"{incoming}: readable, and nothing in it yet"
    (incoming / "register.txt").write_text("nobody")
    (incoming / "class").mkdir()
    (incoming / "class" / "no suffix").write_bytes(image_file(scene()))
    for mode in ("watch", "once", "loop"):
        assert await said(tmp_path, mode) == f"{incoming}: 1 picture or video"
    for number in range(LOOKED):
        (incoming / f"{number}.jpg").touch()
    assert await said(tmp_path) == f"{incoming}: more than {LOOKED} pictures and videos"


async def test_nothing_that_could_be_taken(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="is not there"):
        await said(tmp_path)
    (tmp_path / "incoming").mkdir()
    with pytest.raises(NeedsHuman, match=r"holds no picture and no video;"):
        await said(tmp_path, "once")
    (tmp_path / "incoming" / "register.txt").write_text("nobody")
    with pytest.raises(NeedsHuman, match="holds no picture and no video among 1 file;"):
        await said(tmp_path)
