"""Pictures and deletions that wait on this machine for a storage which hub.yaml does not name any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hub.runtime.catalog import Catalog
from hub.runtime.context import Surroundings
from hub.settings import Settings

ADVICE: Final = "put that storage back until it has them; its documentation says what to do without it"


def stranded(around: Surroundings, settings: Settings) -> list[str]:
    """One line for each such storage; nothing of one that is not installed, or closed to this user."""
    now, catalog = settings.storage, Catalog()
    told = [_said(catalog, now.platform, around.place_of("storage", now.id), now.options)]
    told += [_said(catalog, folder.name, folder, None) for folder in _folders(around) if folder.name != now.id]
    return [said for said in told if said]


def _said(catalog: Catalog, platform: str, folder: Path, options: Mapping[str, Any] | None) -> str:
    catalog.load([platform])
    with suppress(KeyError, OSError):
        say = catalog.spec("storage", platform).stranded
        if say and (said := say(folder, options)):
            return f"storage {platform}: {said}"
    return ""


def _folders(around: Surroundings) -> Iterator[Path]:
    """What storages keep on this machine, of every platform that there was."""
    with suppress(OSError):
        yield from sorted(folder for folder in (around.data / "plugins" / "storage").iterdir() if folder.is_dir())
