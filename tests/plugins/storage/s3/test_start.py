"""The whole hub started while the bucket cannot be used: lessons are recognised, crops wait, and the panel says why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from aiohttp import ClientSession
from PIL import Image
from sqlalchemy import text

from hub.app import Paths, open_enrolment, open_school
from hub.plugin import SystemClock
from hub.portraits import read_pupils
from hub.recognition.consent import Consent
from hub.registration import Signature, register_people
from hub.works import open_works
from tests.support import squares
from tests.support.azure import crop
from tests.support.distributions import install
from tests.support.fras import School
from tests.support.s3_servers import Fault, Server, fault_proxy, forward, hang, until

REST = """\
hub: {{name: Test School, time_zone: Europe/Berlin}}
http: {{port: 0}}
recognizer: {{platform: squares}}
storage: {storage}
cameras:
  - {{platform: folder, id: door, room: "101", path: door}}
"""

T = TypeVar("T")

OUTAGES: dict[str, tuple[Fault | None, dict[str, str], str]] = {
    "unreachable": (None, {}, "cannot be reached"),
    "hanging": (hang, {}, "does not answer in time"),
    "wrong secret": (forward, {"secret_key": "wrong"}, "secret key does not belong"),
}


@pytest.mark.parametrize("name", OUTAGES)
async def test_the_hub_starts_recognises_and_says_so(
    name: str, rclone_server: Server, bucket: str, impatient: None, school: School
) -> None:
    fault, more, says = OUTAGES[name]
    rclone_server.make(bucket)
    assert rclone_server.folder is not None
    there = rclone_server.folder / bucket
    install(school.site, "fras-squares", "squares", Path(squares.__file__).read_text("utf-8"))
    (school.folder / "door").mkdir()
    portrait = school.folder / "portraits" / "ada" / "0.png"
    portrait.parent.mkdir(parents=True)
    Image.fromarray(crop("ada", face=150).pixels).save(portrait)
    Image.fromarray(crop("ada", face=80).pixels).save(school.folder / "door" / "0.png")
    paths = Paths.of(school.folder / "hub.yaml", None)
    async with fault_proxy(rclone_server.endpoint) as proxy:
        right = Server(proxy.endpoint).config(bucket)

        def write(**options: str) -> None:
            storage = json.dumps({"platform": "s3", **right, **options})
            paths.config.write_text(REST.format(storage=storage), "utf-8")

        write(**more)
        await proxy.set(fault)
        async with open_school(paths) as opened:
            pupils = [*read_pupils(portrait.parents[1])]
            await register_people(opened.database, pupils, Signature(Consent.GRANTED, "a parent", ""), SystemClock())
            async with open_enrolment(opened) as enrolment:
                async for _ in enrolment.enrol(pupils):
                    pass
        addresses: list[str] = []
        async with open_school(paths, own=True) as opened, open_works(opened, addresses.append) as works:

            async def crops() -> list[str]:
                async with opened.database.read() as connection:
                    query = "SELECT crop FROM observations WHERE person = 'ada'"
                    return [key for (key,) in await connection.execute(text(query))]

            (key,) = await within(crops, bool)

            async def storage() -> dict[str, str]:
                async with ClientSession() as http, http.get(f"{addresses[0]}api/v1/health") as answer:
                    (part,) = (part for part in (await answer.json())["parts"] if part["id"] == "storage s3")
                return dict(part)

            part = await within(storage, lambda part: "to be brought to" in part["progress"])
            assert says in part["progress"]
            await within(storage, lambda part: says in part["last_error"])
            assert not (there / key).exists()
            if more:
                write()
                await works.reload()
            await proxy.set(forward)
            await until((there / key).exists)


async def within(look: Callable[[], Awaitable[T]], enough: Callable[[T], object], patience: float = 60) -> T:
    async with asyncio.timeout(patience):
        while not enough(found := await look()):
            await asyncio.sleep(0.02)
    return found
