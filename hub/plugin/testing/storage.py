"""What the hub relies on in a storage."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.plugin.errors import NotFound
from hub.plugin.roles import Storage
from hub.plugin.specs import StorageSpec

from .base import Opener, PluginContract
from .ticks import keeps_ticking

BAD_KEYS = (
    "", "/", "a//b", "/a", "a/", ".", "..", "../a", "a/..", "a/../b", "a/./b", "./a", "a\\b", "a b", "ä", "a\nb", "a\n",
    "a\0b", "C:a", "~", "a/%2e%2e/b", "*", "a?b", "\u2025/a", "．．/a",
)  # fmt: skip

_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")

_FOLDERS = st.lists(st.sampled_from(("a", "ab", "a-b", "a.b", "Z", "0")), max_size=2)
_NAMES = st.sampled_from(("x.jpg", "x-1.jpg", "X.jpg", "...jpg", "-.jpg", "_.jpg"))
_KEYS = st.builds(lambda folders, name: "/".join((*folders, name)), _FOLDERS, _NAMES)
_PREFIXES = st.one_of(st.just(""), _KEYS.flatmap(lambda key: st.integers(0, len(key)).map(lambda n: key[:n])))
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _KEYS, st.binary(max_size=20)),
        st.tuples(st.just("delete"), _KEYS, st.none()),
        st.tuples(st.just("list"), _PREFIXES, st.none()),
    ),
    max_size=20,
)


def is_key(text: str) -> bool:
    """Whether a storage must take `text` as a key."""
    return all(_SEGMENT.fullmatch(part) and part not in (".", "..") for part in text.split("/"))


class StorageContract(PluginContract):
    """The storage is emptied at the start of a test. One key is never a folder of another."""

    kind = StorageSpec
    big: ClassVar[int] = 9 * 1024 * 1024 + 1
    """Bytes of the biggest value tried."""

    async def test_gives_back_what_it_took_even_after_closing(self, opener: Opener) -> None:
        async with opener() as storage:
            assert isinstance(storage, Storage)
            await storage.put("crops/2026/a.jpg", b"\x00\xff")
            await storage.put("empty", b"")
        async with opener() as storage:
            assert await storage.get("crops/2026/a.jpg") == b"\x00\xff"
            assert await storage.get("empty") == b""

    async def test_a_second_put_replaces_the_first(self, opener: Opener) -> None:
        async with opener() as storage:
            await storage.put("a/b", b"a long first value")
            await storage.put("a/b", b"short")
            assert await storage.get("a/b") == b"short"
            assert [key async for key in storage.list("a/")] == ["a/b"]

    async def test_what_is_not_there_is_not_found(self, opener: Opener) -> None:
        async with opener() as storage:
            await storage.put("folder/a", b"1")
            for missing in ("b", "folder", "folder/a/b", "folder/b"):
                with pytest.raises(NotFound):
                    await storage.get(missing)

    async def test_deleting_twice_is_fine(self, opener: Opener) -> None:
        async with opener() as storage:
            await storage.put("a/b", b"1")
            for _ in range(2):
                await storage.delete("a/b")
            with pytest.raises(NotFound):
                await storage.get("a/b")
            assert [key async for key in storage.list("a/")] == []

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps=_STEPS)
    async def test_behaves_like_a_sorted_dictionary(
        self, opener: Opener, steps: list[tuple[str, str, bytes | None]]
    ) -> None:
        model: dict[str, bytes] = {}
        async with opener() as storage:
            for key in [key async for key in storage.list()]:
                await storage.delete(key)
            for step, key, data in steps:
                if step == "put":
                    model[key] = data or b""
                    await storage.put(key, model[key])
                elif step == "delete":
                    model.pop(key, None)
                    await storage.delete(key)
                else:
                    assert [found async for found in storage.list(key)] == _listed(model, key)
            assert [found async for found in storage.list()] == _listed(model, "")
            for key, value in model.items():
                assert await storage.get(key) == value

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(keys=st.lists(st.text(max_size=12).filter(lambda text: not is_key(text)), max_size=5))
    async def test_a_key_that_is_none_is_refused(self, opener: Opener, keys: list[str]) -> None:
        async with opener() as storage:
            for bad in (*BAD_KEYS, *keys):
                for call in (
                    partial(storage.put, bad, b"x"),
                    partial(storage.get, bad),
                    partial(storage.delete, bad),
                    partial(storage.link, bad, timedelta(minutes=1)),
                ):
                    with pytest.raises(ValueError):  # noqa: PT011 (any message will do)
                        await call()
            assert [key async for key in storage.list()] == []

    async def test_writers_at_the_same_time_never_mix(self, opener: Opener) -> None:
        values = {bytes([n]) * 100_000 for n in range(12)}
        seen = set()
        async with opener() as storage:
            await storage.put("shared", next(iter(values)))

            async def read() -> None:
                for _ in range(8):
                    seen.add(await storage.get("shared"))

            await asyncio.gather(read(), *(storage.put("shared", value) for value in values), read())
            assert await storage.get("shared") in values
            assert [key async for key in storage.list()] == ["shared"], "a half-written file is listed"
        assert seen <= values

    async def test_a_big_value_does_not_block_the_loop(self, opener: Opener) -> None:
        value = bytes(range(256)) * (self.big // 256) + b"!" * (self.big % 256)
        async with opener() as storage, keeps_ticking(self.longest_block):
            await storage.put("big", value)
            assert await storage.get("big") == value

    async def test_a_link_is_an_url_or_none(self, opener: Opener) -> None:
        async with opener() as storage:
            await storage.put("a", b"1")
            link = await storage.link("a", timedelta(minutes=5))
        assert link is None or link.startswith(("http://", "https://"))


def _listed(model: Mapping[str, bytes], prefix: str) -> list[str]:
    return sorted(key for key in model if key.startswith(prefix))
