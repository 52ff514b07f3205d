"""Invitations in the camera's picture, as a caretaker would hold them."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import pytest

from node.wire import Invitation

np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2", reason="pictures are rendered by OpenCV, which a node does not have")
pytest.importorskip("zxingcpp", reason="there is no zxing-cpp")

from node.codes import make_reader  # noqa: E402
from tests.support.qr_pictures import Shot, photograph  # noqa: E402
from tests.support.small_hub import SmallHub  # noqa: E402

ROOT = Path(__file__).parents[2]


def invitation(seed: int = 1) -> str:
    chance = random.Random(seed)
    token, pin, backup = (chance.randbytes(length) for length in (16, 32, 32))
    return Invitation("fras.lindenschule.example", 8124, token, pin, backup, ("School-IoT", "pass phrase")).uri()


@pytest.mark.parametrize(
    "shot",
    [
        Shot(),
        Shot(tilt=40, turn=30),
        Shot(blur=4, noise=10),
        Shot(light=0.25, contrast=0.6, shade=0.4),
        Shot(share=0.22),
        Shot(glare=True, inverted=True),
    ],
    ids=["held well", "perspective", "blur and noise", "poor light", "small", "dark theme with a lamp in it"],
)
def test_read(shot: Shot) -> None:
    reader = make_reader()
    assert reader is not None
    assert list(reader.read(photograph(invitation(), shot, seed=3))) == [invitation()]


@pytest.mark.parametrize("text", ["https://example.org/menu", "FRAS://HUB:8124/1/NO", "WIFI:S:Guests;T:WPA;P:secret;;"])
def test_other_codes_are_nothing(text: str) -> None:
    reader = make_reader()
    assert reader is not None
    assert list(reader.read(photograph(text, Shot(), seed=1))) == []


def test_pictures_without_a_code() -> None:
    reader = make_reader()
    assert reader is not None
    for luma in (np.zeros((480, 640), np.uint8), np.zeros((1, 1), np.uint8), np.zeros((0, 0), np.uint8)):
        assert list(reader.read(luma)) == []
    assert list(reader.read(np.zeros((480, 704), np.uint8)[:, :640])) == []


async def test_a_node_pairs_by_what_its_camera_sees(folder: Path, hub: SmallHub) -> None:
    """The service, unpaired, with the code in its picture; nobody typed anything."""
    (folder / "pictures").mkdir()
    shown = photograph(hub.invitation().uri(), Shot(tilt=20, noise=6), seed=5, size=(1640, 1232))
    (folder / "pictures" / "1.jpg").write_bytes(cv2.imencode(".jpg", shown)[1].tobytes())
    settings = folder / "node.yaml"
    settings.write_text(f"camera: {{platform: folder, path: {folder / 'pictures'}}}\ndata: {folder / 'data'}\n")
    node = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "node.cli", "run", "-c", str(settings),
        env={**os.environ, "PYTHONPATH": str(ROOT), "RUNTIME_DIRECTORY": str(folder)},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await hub.until(hub.frames)
    finally:
        node.terminate()
        _, said = await node.communicate()
    assert len(hub.nodes) == 1
    assert b"FRAS://" not in said
    assert hub.invitation().uri().split("/")[5].encode() not in said
