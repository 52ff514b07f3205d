"""A hub with its web site, in this process, on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp
from PIL import Image

from hub.app import Paths, open_school
from hub.app import School as OpenSchool
from hub.running import Hub
from hub.works import open_works
from tests.support import colours
from tests.support.fras import HUB_YAML, School, of_this_kind

API = "/api/v1"
PUSH = HUB_YAML.replace("cameras:\n", 'cameras:\n  - {platform: http_push, id: push, room: "101"}\n')
"""hub.yaml of a school that also takes frames by HTTP."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str
    json: Any


@dataclass(frozen=True)
class Site:
    """`client` speaks to the hub at `address`, which ends with a slash."""

    address: str
    client: aiohttp.ClientSession
    school: OpenSchool
    hub: Hub

    async def get(self, path: str, headers: Mapping[str, str] | None = None, **query: str | int) -> Answer:
        return await self.ask("GET", path, headers=headers, params=query)

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        async with self.client.request(method, self.address.rstrip("/") + path, **options) as answer:
            text = await answer.text()
            return Answer(
                answer.status,
                answer.headers,
                text,
                await answer.json(content_type=None) if "json" in answer.content_type else None,
            )

    async def send(self, image: bytes, camera: str = "push", **headers: str) -> Answer:
        """Sends a frame; `Captured_At` is the header Captured-At."""
        sent = {"Content-Type": "image/jpeg"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", f"{API}/cameras/{camera}/frames", data=image, headers=sent)

    async def all(self, path: str, limit: int = 2, **query: str) -> list[dict[str, Any]]:
        """Every item of a list, page by page."""
        found: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            page = (await self.get(f"{API}{path}", limit=limit, **query, **after)).json
            assert len(page["items"]) <= limit
            found += page["items"]
            if page["next"] is None:
                return found
            assert len(page["items"]) == limit
            after = {"after": page["next"]}


def jpeg(*people: str, shade: int = 0) -> bytes:
    """A picture of these people; another `shade` makes it another file."""
    file = BytesIO()
    pixels = (colours.picture(*people).astype(int) + shade).clip(0, 255).astype("uint8")
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


@asynccontextmanager
async def site_of(school: School, yaml: str = PUSH) -> AsyncIterator[Site]:
    (school.folder / "hub.yaml").write_text(of_this_kind(yaml, school.folder), "utf-8")
    addresses: list[str] = []
    paths = Paths.of(school.folder / "hub.yaml", None)
    async with (
        open_school(paths, own=True) as opened,
        open_works(opened, addresses.append) as works,
        aiohttp.ClientSession() as client,
    ):
        yield Site(addresses[0], client, opened, works.hub)
