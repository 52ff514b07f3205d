"""The pi_node camera keeps the contract of cameras, and says to its node what docs/node-protocol.md has words for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import voluptuous as vol

from hub.plugin import CameraEvent, Frame, Heartbeat
from hub.plugin.testing import CameraContract
from plugins.cameras.pi_node import CONFIG_SCHEMA, orders
from tests.support.media import image_file, scene

ROOT = Path(__file__).parents[4]
DEFAULTS = {
    "interval": 1.0,
    "resolution": [1640, 1232],
    "quality": 85,
    "motion": {"threshold": 12.0, "share": 0.01, "hold": 10.0},
    "keepalive": 60.0,
    "mask": [],
    "night": "pause",
    "watch": 15.0,
    "spool": 500_000_000,
    "leds": True,
}


class TestPiNode(CameraContract):
    module = "plugins.cameras.pi_node"

    @pytest.fixture
    def sent(self) -> Sequence[CameraEvent]:
        taken = datetime(2026, 11, 16, 8, 0, tzinfo=UTC)
        frames = [Frame(7, seq, taken + timedelta(seconds=seq), image_file(scene(seed=seq))) for seq in range(5)]
        return [*frames, Heartbeat(taken + timedelta(seconds=9), 0.5)]


def checked(**options: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = vol.Schema(dict(CONFIG_SCHEMA))(options)
    return found


def test_without_options_a_node_does_what_the_protocol_says_by_default() -> None:
    told = orders(checked())
    assert (told.pop("hours"), told.pop("margin")) == ("lectures", 900.0)
    assert told == DEFAULTS
    page = (ROOT / "docs" / "node-protocol.md").read_text("utf-8")
    table = {
        key: default.strip('`"')
        for key, default in re.findall(r"^\| `([\w.]+)` \| (\S.*?) \|", page.split("## Configuration")[1], re.MULTILINE)
    }
    flat = {**told, **{f"motion.{key}": value for key, value in told["motion"].items()}}
    for key, default in table.items():
        if key != "active":
            value = default if key == "night" else json.loads(default)
            assert flat[key] == value, key


def test_orders_are_json() -> None:
    told = orders(checked(mask=[[[0, 0], [1, 0], [0.5, 1]]], motion={"hold": "1 min"}, interval="500 ms"))
    assert json.loads(json.dumps(told)) == told
    assert (told["interval"], told["motion"]["hold"]) == (0.5, 60.0)
    assert told["mask"] == [[[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval": "10 ms"},
        {"interval": 1},
        {"resolution": [1641, 1232]},
        {"resolution": "1640x1232"},
        {"quality": 101},
        {"motion": {"treshold": 3}},
        {"motion": {"share": "200 %"}},
        {"watch": "5 min"},
        {"mask": [[[0, 0], [1, 1]]]},
        {"mask": [[[0, 0], [1, 0], [0, 2]]]},
        {"mask": [[[0, 0], [1, 0], [True, 0]]]},
        {"mask": "none"},
        {"hours": "school"},
        {"night": True},
        {"spool": 500},
        {"leds": "on"},
    ],
)
def test_what_no_node_can_do_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(vol.Invalid):
        checked(**wrong)
