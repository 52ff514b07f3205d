"""The recognisers of hub.yaml: opened, exchanged one by one when hub.yaml changes, and put together into a judge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final, TypeAlias

import voluptuous as vol

from config import Place
from hub.db.engine import Database
from hub.failure import Failure
from hub.pipeline.galleries import GalleryKeeper
from hub.pipeline.judge import Judge
from hub.pipeline.members import EmbedderMember, IdentifierMember, Member
from hub.pipeline.verdicts import Chain, Ensemble, Rule
from hub.plugin import Clock, Embedder, Identifier, Storage
from hub.policies import policy_for
from hub.reloading import Slot
from hub.remote_galleries import RemoteGallery
from hub.settings import Chained, Platforms, RecognizerPart, Settings

Recogniser: TypeAlias = Embedder | Identifier
Opener: TypeAlias = Callable[[RecognizerPart], AbstractAsyncContextManager[Recogniser]]

SPARE: Final = "onnx_local"
"""The platform that finds faces where hub.yaml names services only."""


class Recognisers:
    """Each is open in a slot of its own. An async context manager; `follow` opens them."""

    def __init__(self) -> None:
        self._slots: dict[str, Slot[Recogniser]] = {}
        self._parts: dict[str, RecognizerPart] = {}

    @property
    def now(self) -> dict[str, Recogniser]:
        """By id, in the order of hub.yaml. Raises NotReady while one is being exchanged."""
        return {name: self._slots[name].now for name in self._parts}

    @property
    def empty(self) -> bool:
        """Whether one could not be opened again."""
        return any(slot.empty for slot in self._slots.values())

    async def __aenter__(self) -> Recognisers:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._keep([])

    async def follow(
        self, wanted: Sequence[RecognizerPart], spare: Callable[[], RecognizerPart], opener: Opener
    ) -> None:
        """Opens what is new, exchanges what differs and closes what is gone; of services only, with a `spare` embedder.

        Raises PluginError, having gone back to what was open before.
        """
        before = list(self._parts.values())
        async with AsyncExitStack() as undo:
            undo.callback(self._order, before)
            parts = list(wanted)
            for part in parts:
                await self._open(part, opener, undo)
            if not any(isinstance(self._slots[part.id].now, Embedder) for part in parts):
                parts.append(spare())
                await self._open(parts[-1], opener, undo)
            undo.pop_all()
        await self._keep(parts)

    async def _open(self, part: RecognizerPart, opener: Opener, undo: AsyncExitStack) -> None:
        slot = self._slots.get(part.id)
        before = self._parts.get(part.id)
        if slot is None:
            slot = Slot(partial(opener, part))
            self._slots[part.id] = await slot.__aenter__()
            undo.push_async_callback(self._close, part.id)
        elif before is None or slot.empty or (before.platform, before.options) != (part.platform, part.options):
            was = slot.opener
            await slot.exchange(partial(opener, part))
            undo.push_async_callback(slot.exchange, was)
        self._parts[part.id] = part

    async def _keep(self, parts: Iterable[RecognizerPart]) -> None:
        self._order(parts)
        for name in [name for name in self._slots if name not in self._parts]:
            await self._close(name)

    def _order(self, parts: Iterable[RecognizerPart]) -> None:
        self._parts = {part.id: part for part in parts}

    async def _close(self, name: str) -> None:
        await self._slots.pop(name).__aexit__(None, None, None)


def spare_finder(platforms: Platforms) -> RecognizerPart:
    """The embedder of this machine with its defaults."""
    platforms.load([SPARE])
    options = vol.Schema(dict(platforms.spec("recognizer", SPARE).config_schema))({})
    return RecognizerPart(SPARE, SPARE, options, Place("the hub's own choice", 0))


def embedders_of(recognisers: Mapping[str, Recogniser]) -> dict[str, Embedder]:
    """By id; of several with one model the first."""
    found: dict[str, Embedder] = {}
    models: set[str] = set()
    for name, recogniser in recognisers.items():
        if isinstance(recogniser, Embedder) and recogniser.model.id not in models:
            found[name] = recogniser
            models.add(recogniser.model.id)
    return found


def finders_of(recognisers: Mapping[str, Recogniser], settings: Settings) -> dict[str, str]:
    """Which embedder finds faces for each identifier, by id. Raises Failure for a finder that is a service."""
    first = next(name for name, one in recognisers.items() if isinstance(one, Embedder))
    asked = {part.id: part.finder for part in settings.recognizer.parts}
    finders = {name: asked.get(name) or first for name, one in recognisers.items() if not isinstance(one, Embedder)}
    for name, finder in finders.items():
        if not isinstance(recognisers[finder], Embedder):
            raise Failure(
                f"recognizer {finder} finds no faces itself, and is the finder of {name}",
                hint="name a recogniser of this machine at finder, or remove it",
            )
    return finders


async def judge_of(
    recognisers: Mapping[str, Recogniser], settings: Settings, database: Database, clock: Clock
) -> Judge:
    """What decides, by these recognisers as `settings` puts them together. Raises DatabaseError and Failure."""
    members: dict[str, Member] = {}
    embedders: dict[str, EmbedderMember] = {}
    for name, one in recognisers.items():
        if isinstance(one, Embedder):
            policy = await policy_for(database, one.model, settings.policy_of(name))
            gallery = GalleryKeeper(database, one.model.id, one.model.metric, clock)
            members[name] = embedders[name] = EmbedderMember(one, gallery, policy)
    for name, finder in finders_of(recognisers, settings).items():
        service = recognisers[name]
        assert isinstance(service, Identifier)
        policy = await policy_for(database, service.model, settings.policy_of(name))
        members[name] = IdentifierMember(service, embedders[finder], embedders[finder].gallery, policy)
    rules: dict[str, Rule] = {name: Chain([member], clock) for name, member in members.items()}
    for combination in settings.recognizer.combinations:
        asked = [members[name] for name in combination.members]
        if isinstance(combination, Chained):
            rules[combination.id] = Chain(asked, clock, combination.reach)
        else:
            rules[combination.id] = Ensemble(asked, combination.agree)
    default = settings.recognizer.default
    return Judge({default: rules.pop(default)} | rules, list(embedders.values()), routes_of(settings))


def remote_galleries_of(
    recognisers: Mapping[str, Recogniser], settings: Settings, database: Database, storage: Storage, clock: Clock
) -> dict[str, RemoteGallery]:
    """Those that the services among them keep, by id. Raises Failure for a finder that is a service."""
    galleries = {}
    for name, finder in finders_of(recognisers, settings).items():
        service = recognisers[name]
        assert isinstance(service, Identifier)
        model = recognisers[finder].model.id
        galleries[name] = RemoteGallery(name, service, model, database, storage, clock)
    return galleries


def routes_of(settings: Settings) -> dict[str, str]:
    """The recogniser of each camera that names one."""
    return {camera.id: camera.recognizer for camera in settings.cameras if camera.recognizer}


@asynccontextmanager
async def open_recognisers(
    wanted: Sequence[RecognizerPart], spare: Callable[[], RecognizerPart], opener: Opener
) -> AsyncIterator[Recognisers]:
    """Raises PluginError for one that cannot be opened now."""
    async with Recognisers() as recognisers:
        await recognisers.follow(wanted, spare, opener)
        yield recognisers
