"""docs/api.md: its curl lines work as they stand, and it leaves out no address."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from hub.web.api import OPERATIONS
from tests.support.fras import School
from tests.support.site import jpeg, site_of

TEXT = (Path(__file__).parents[1] / "docs" / "api.md").read_text("utf-8")
COMMANDS = [
    command
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for command in re.split(r"(?<!\\)\n", block.strip())
    if command.startswith("curl")
]


async def run(command: str, address: str, folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        command.replace("curl ", "curl -w '\\n%{http_code}' ", 1),
        env={"HUB": address.rstrip("/"), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    body, _, status = out.decode().rpartition("\n")
    return int(status), body


async def test_every_line_works(filmed: School, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    (filmed.folder / "frame.jpg").write_bytes(jpeg("ada"))
    async with site_of(filmed) as site:
        answers = [await run(command, site.address, filmed.folder) for command in COMMANDS]
    assert [status for status, _ in answers] == [200, 200, 200, 202, 202, 200, 200]
    late, seen, health, first, second, heard, events = (body for _, body in answers)
    assert '"person": "bob"' in late
    assert seen.count('"person": "ada"') == 2
    assert '"status": "ok"' in health
    assert '"captured_at_by": "hub"' in first
    assert '"captured_at": "2026-11-16T08:05:00Z", "captured_at_by": "sender"' in second
    assert '"until": "2026-11-16T08:06:00Z"' in heard
    assert events.count("event: frame") >= 104


def test_every_address_is_named() -> None:
    missing = [operation.path for operation in OPERATIONS if f"`{_shown(operation.path)}`" not in TEXT]
    assert missing == []


def _shown(path: str) -> str:
    whole = re.sub(r"{\w+}", "{id}", path).lstrip("/")
    return whole.replace("days/{id}", "days/{date}")


def test_what_it_says_of_limits_is_so() -> None:
    from hub.web.api.frames import LARGEST
    from hub.web.events import MOST

    assert f"at most {LARGEST // 10**6} MB" in TEXT
    assert f"up to {MOST} may follow" in TEXT
