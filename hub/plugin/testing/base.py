"""What is asked of every plugin, whatever its role."""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest
import voluptuous as vol

from hub.plugin.errors import PluginError
from hub.plugin.specs import API_VERSION, PluginSpec, Spec
from hub.plugin.types import CameraEvent

from .context import make_context
from .leaks import nothing_left_open, nothing_left_running
from .secrets import no_secret_is_logged, secrets_of, shown, where_nobody_is
from .ticks import LONGEST_BLOCK, keeps_ticking

HEAVY = frozenset({"PIL", "av", "boto3", "cv2", "dlib", "onnx", "onnxruntime", "picamera2", "torch"})
"""Libraries that are too slow to import just to see which plugins there are."""

HUB_KEYS = frozenset({"platform", "id", "room"})
"""What the hub itself reads from a plugin's section of hub.yaml."""

CLOSES_WITHIN = 5.0
"""Seconds after which the hub abandons a plugin that is told to stop."""


class Opener(Protocol):
    def __call__(self, *, held: Collection[tuple[int, int]] = ()) -> AbstractAsyncContextManager[Any]:
        """The plugin, opened as the hub would; `held` are the (epoch, seq) the hub has already."""
        ...


class Prober(Protocol):
    def __call__(self, config: Mapping[str, Any]) -> Awaitable[str]:
        """What the spec's `probe` says of a section of hub.yaml; the spec has one."""
        ...


class PluginContract:
    """`module` is what the entry point names. Override the fixtures to say how your plugin is configured."""

    module: ClassVar[str]
    kind: ClassVar[type[PluginSpec]]
    longest_block: ClassVar[float] = LONGEST_BLOCK

    @pytest.fixture
    def config(self) -> Mapping[str, Any]:
        """The plugin's section of hub.yaml, as YAML gives it, without `platform`, `id` and `room`."""
        return {}

    @pytest.fixture
    def data_folder(self, tmp_path: Path) -> Path:
        """The plugin's own folder, kept between the openings of one test."""
        return tmp_path / "plugin-data"

    @pytest.fixture
    def base_folder(self, tmp_path: Path) -> Path:
        """Where relative paths of `config` start."""
        return tmp_path

    @pytest.fixture
    def secrets(self, config: Mapping[str, Any]) -> frozenset[str]:
        """What of `config` may never be shown: override it where the names of your options do not tell."""
        return secrets_of(config)

    @pytest.fixture(autouse=True)
    def _no_secret_is_logged(self, secrets: frozenset[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        with no_secret_is_logged(secrets, caplog):
            yield

    @pytest.fixture
    def sent(self) -> Sequence[CameraEvent]:
        """What a camera that is fed over the network finds in its context's `incoming()`."""
        return ()

    @pytest.fixture
    def spec(self) -> Spec:
        specs: list[Spec] = list(importlib.import_module(self.module).fras_plugins())
        (spec,) = [spec for spec in specs if isinstance(spec, self.kind)]
        return spec

    @pytest.fixture
    def opener(
        self,
        spec: Spec,
        config: Mapping[str, Any],
        tmp_path: Path,
        data_folder: Path,
        base_folder: Path,
        sent: Sequence[CameraEvent],
    ) -> Opener:
        @asynccontextmanager
        async def opened(*, held: Collection[tuple[int, int]] = ()) -> AsyncIterator[Any]:
            checked = vol.Schema(dict(spec.config_schema))(dict(config))
            async with (
                make_context(
                    tmp_path, data_folder=data_folder, base_folder=base_folder, held=held, sent=sent
                ) as context,
                spec.open(checked, context) as plugin,
            ):
                yield plugin

        return opened

    @pytest.fixture
    def prober(self, spec: Spec, tmp_path: Path, data_folder: Path, base_folder: Path) -> Prober:
        async def probed(config: Mapping[str, Any]) -> str:
            assert spec.probe is not None
            checked = vol.Schema(dict(spec.config_schema))(dict(config))
            async with make_context(tmp_path, data_folder=data_folder, base_folder=base_folder) as context:
                return await spec.probe(checked, context)

        return probed

    def test_the_spec_says_what_the_plugin_is(self, spec: Spec) -> None:
        assert spec.name, "a spec needs the name that hub.yaml calls it by"
        assert spec.api_version == API_VERSION
        assert "\n" not in spec.description
        assert spec.description, "`fras plugins` shows a line about each plugin"

    def test_the_schema_leaves_the_hub_its_keys(self, spec: Spec) -> None:
        assert not HUB_KEYS & {str(key) for key in spec.config_schema}

    def test_the_schema_takes_the_configuration_and_nothing_misspelt(
        self, spec: Spec, config: Mapping[str, Any]
    ) -> None:
        schema = vol.Schema(dict(spec.config_schema))
        checked = schema(dict(config))
        if spec.check is not None:
            spec.check(checked)
        with pytest.raises(vol.Invalid):
            schema({**config, "misspelt_option": 1})

    def test_the_hook_gives_the_same_each_time(self, spec: Spec) -> None:
        assert [s.name for s in importlib.import_module(self.module).fras_plugins() if isinstance(s, self.kind)] == [
            spec.name
        ]

    def test_looking_at_the_plugin_imports_nothing_heavy(self) -> None:
        program = f"import sys, {self.module} as m; m.fras_plugins(); print(*({set(HEAVY)!r} & set(sys.modules)))"
        done = subprocess.run(  # noqa: S603 (the plugin under test)
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [], "import these inside open()"

    async def test_opens_and_closes_twice_and_leaves_nothing_running(self, opener: Opener) -> None:
        for _ in range(2):
            async with nothing_left_running(), keeps_ticking(self.longest_block), opener():
                pass

    async def test_leaves_no_file_and_no_socket_open(self, opener: Opener) -> None:
        async with opener():
            pass  # libraries open what they keep
        async with nothing_left_open(), opener():
            pass

    async def test_its_probe_answers_in_one_line(
        self, spec: Spec, prober: Prober, config: Mapping[str, Any], secrets: frozenset[str]
    ) -> None:
        """Where it has one: `fras check --connect` shows the answer."""
        if spec.probe is not None:
            async with nothing_left_running(), keeps_ticking(self.longest_block):
                answer = await prober(config)
            assert answer.strip(), "a probe says what it found"
            assert "\n" not in answer
            assert not shown(secrets, answer), "the probe's answer shows a secret"
            async with nothing_left_open():
                await prober(config)

    async def test_nobody_there_is_said_and_no_secret(
        self, spec: Spec, prober: Prober, config: Mapping[str, Any], secrets: frozenset[str]
    ) -> None:
        """Where it has a probe, and `config` names a port of this machine."""
        nobody = where_nobody_is(config)
        if spec.probe is not None and nobody is not None:
            async with nothing_left_running():
                with pytest.raises(PluginError) as refused:
                    await prober(nobody)
            told = "".join(traceback.format_exception(refused.value, limit=0))
            assert not shown(secrets, told), "an error, or the one behind it, shows a secret"

    async def test_cancelling_it_while_open_closes_it(self, opener: Opener) -> None:
        opened = asyncio.Event()

        async def hold() -> None:
            async with opener():
                opened.set()
                await asyncio.Event().wait()

        async with nothing_left_running():
            task = asyncio.create_task(hold())
            waiting = asyncio.create_task(opened.wait())
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            await stop(task)


async def stop(task: asyncio.Task[Any]) -> None:
    """Stops a task as the hub does: fails when it does not end in time, raises what it died of."""
    task.cancel()
    await asyncio.wait({task}, timeout=CLOSES_WITHIN)
    assert task.done(), f"did not stop within {CLOSES_WITHIN:g} s of being cancelled"
    if not task.cancelled():
        task.result()
