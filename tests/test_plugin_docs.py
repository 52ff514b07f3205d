"""docs/plugins.md names all there is for authors, and its numbers are the hub's."""

from __future__ import annotations

import inspect
from pathlib import Path

import hub.plugin
import hub.plugin.testing
from hub.plugin import PluginContext, PluginError, RecognizerSpec
from hub.runtime.catalog import NO_EXTERNAL_PLUGINS
from hub.runtime.limits import Limits
from hub.runtime.threads import THREADS

TEXT = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")


def members(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


def test_everything_an_author_meets_is_explained() -> None:
    errors = [n for n, o in vars(hub.plugin).items() if inspect.isclass(o) and issubclass(o, PluginError)]
    roles = [m for role in (hub.plugin.Embedder, hub.plugin.Identifier, hub.plugin.Storage) for m in members(role)]
    contracts = [name for name in hub.plugin.testing.__all__ if name.endswith("Contract") and name != "PluginContract"]
    fields = list(RecognizerSpec.__dataclass_fields__)
    wanted = [*errors, *roles, *contracts, *fields, *members(PluginContext), NO_EXTERNAL_PLUGINS]
    assert [name for name in wanted if f"`{name}" not in TEXT] == []


def test_its_numbers_are_the_hubs() -> None:
    limits = Limits()
    assert THREADS == 8
    assert "your own eight threads" in TEXT
    for number in (limits.open_warning, limits.open_cap, limits.close_cap, limits.call_cap, limits.longest_retry):
        assert f"{number:g} s" in TEXT
