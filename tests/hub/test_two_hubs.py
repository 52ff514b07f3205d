"""Two hubs with data folders of their own on one PostgreSQL database, as on two machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.app import Paths, open_school
from hub.db.errors import DatabaseInUse
from tests.support import postgres
from tests.support.distributions import forgetting
from tests.support.fras import HUB_YAML, School


async def test_the_second_is_refused_until_the_first_has_stopped_and_its_commands_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.db.holding.HANDOVER_SECONDS", 0.1)
    yaml = HUB_YAML.replace("hub: {", f'hub: {{database: "{postgres.empty_database("shared")}", ', 1)
    machines = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        school = School(tmp_path / name)
        (school.folder / "hub.yaml").write_text(yaml, "utf-8")
        machines.append(Paths.of(school.folder / "hub.yaml", None))
    one, other = machines
    monkeypatch.syspath_prepend(tmp_path / "one" / "site")
    with forgetting(tmp_path / "one" / "site"):
        async with open_school(one, own=True):
            with pytest.raises(DatabaseInUse, match=r"a hub is already running on the database .*/shared, from 127"):
                async with open_school(other, own=True):
                    pass
            async with open_school(other), open_school(other, read_only=True):
                pass
        async with open_school(other, own=True):
            pass
