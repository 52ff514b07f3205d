"""`fras reload`: has the running hub read hub.yaml again, and says what came of it."""

from __future__ import annotations

from hub.app import Paths
from hub.cli import console
from hub.control import ask


def reload(config: console.ConfigOption = console.CONFIG, data: console.DataOption = None) -> None:
    """Checks a changed hub.yaml and puts it into force; with problems the hub goes on as before. Exit 1 then."""
    where = console.paths(config, data)
    console.run(_reload(where), where)


async def _reload(where: Paths) -> int:
    outcome = await ask(where.data)
    for line in outcome.lines:
        console.say(line)
    return 0 if outcome.fine else 1
