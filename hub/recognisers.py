"""The recognisers of hub.yaml: opened, exchanged one by one when hub.yaml changes, and put together into a judge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final, TypeAlias

import voluptuous as vol

from config import Place
from hub.db.engine import Database
from hub.failure import Failure
from hub.pipeline.galleries import GalleryKeeper
from hub.pipeline.judge import Judge
from hub.pipeline.members import AbsentMember, EmbedderMember, IdentifierMember, Member
from hub.pipeline.verdicts import Chain, Ensemble, Rule
from hub.plugin import Clock, Embedder, Identifier, NotReady, PluginError, Storage
from hub.policies import policy_for
from hub.pseudonyms import Pseudonymous
from hub.reloading import Slot
from hub.remote_galleries import RemoteGallery
from hub.runtime.awaited import Awaited
from hub.settings import Chained, Platforms, RecognizerPart, Settings

Recogniser: TypeAlias = Embedder | Identifier
Opener: TypeAlias = Callable[[RecognizerPart], AbstractAsyncContextManager[Recogniser | Awaited]]

SPARE: Final = "onnx_local"
"""The platform that finds faces where hub.yaml names services only."""


class Recognisers:
    """Each is open in a slot of its own, or awaited there. An async context manager; `follow` opens them."""

    def __init__(self) -> None:
        self._slots: dict[str, Slot[Recogniser | Awaited]] = {}
        self._parts: dict[str, RecognizerPart] = {}

    @property
    def now(self) -> dict[str, Recogniser | Awaited]:
        """By id, in the order of hub.yaml; Awaited is one that is not open. Raises NotReady while one is exchanged."""
        return {name: _unwrapped(self._slots[name].now) for name in self._parts}

    @property
    def awaited(self) -> dict[str, Awaited]:
        """Those that are not open, by id."""
        return {name: one for name, one in self.now.items() if isinstance(one, Awaited)}

    @property
    def empty(self) -> bool:
        """Whether one could not be opened again."""
        return any(slot.empty for slot in self._slots.values())

    async def __aenter__(self) -> Recognisers:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._keep([])

    async def follow(
        self,
        wanted: Sequence[RecognizerPart],
        spare: Callable[[], RecognizerPart],
        opener: Opener,
        *,
        again: Collection[str] = (),
        patient: bool = False,
    ) -> None:
        """Opens what is new, exchanges what differs, tries `again` these and what is awaited, and closes what is gone;
        of services only, with a `spare` embedder.

        Raises PluginError, having gone back to what was open before: for what is new or differs and is not open then,
        or, if it is `patient`, where nothing finds faces until a person has mended that.
        """
        before = list(self._parts.values())
        async with AsyncExitStack() as undo:
            undo.callback(self._order, before)
            parts = list(wanted)
            for part in parts:
                await self._open(part, opener, undo, patient, again=part.id in again)
            if not any(_embeds(self._slots[part.id].now) for part in parts):
                parts.append(spare())
                await self._open(parts[-1], opener, undo, patient)
            _refuse_blindness([_unwrapped(self._slots[part.id].now) for part in parts])
            undo.pop_all()
        await self._keep(parts)

    async def _open(
        self, part: RecognizerPart, opener: Opener, undo: AsyncExitStack, patient: bool, *, again: bool = False
    ) -> None:
        slot = self._slots.get(part.id)
        before = self._parts.get(part.id)
        new = before is None or (before.platform, before.options) != (part.platform, part.options)
        if slot is None:
            slot = Slot(partial(opener, part))
            self._slots[part.id] = await slot.__aenter__()
            undo.push_async_callback(self._close, part.id)
        elif new or again or slot.empty or isinstance(_unwrapped(slot.now), Awaited):
            was = slot.opener
            await slot.exchange(partial(opener, part))
            undo.push_async_callback(slot.exchange, was)
        found = _unwrapped(slot.now)
        if new and not patient and isinstance(found, Awaited):
            raise found.why
        self._parts[part.id] = part

    async def _keep(self, parts: Iterable[RecognizerPart]) -> None:
        self._order(parts)
        for name in [name for name in self._slots if name not in self._parts]:
            await self._close(name)

    def _order(self, parts: Iterable[RecognizerPart]) -> None:
        self._parts = {part.id: part for part in parts}

    async def _close(self, name: str) -> None:
        await self._slots.pop(name).__aexit__(None, None, None)


def _unwrapped(one: Recogniser | Awaited) -> Recogniser | Awaited:
    return one.now or one if isinstance(one, Awaited) else one


def _embeds(one: Recogniser | Awaited) -> bool:
    """Whether it finds faces itself, or will."""
    one = _unwrapped(one)
    return not one.identifier if isinstance(one, Awaited) else isinstance(one, Embedder)


def _refuse_blindness(recognisers: Sequence[Recogniser | Awaited]) -> None:
    if any(isinstance(one, Embedder) for one in recognisers):
        return
    for one in recognisers:
        if isinstance(one, Awaited) and not one.identifier and not isinstance(one.why, NotReady):
            raise one.why


def spare_finder(platforms: Platforms) -> RecognizerPart:
    """The embedder of this machine with its defaults."""
    platforms.load([SPARE])
    options = vol.Schema(dict(platforms.spec("recognizer", SPARE).config_schema))({})
    return RecognizerPart(SPARE, SPARE, options, Place("the hub's own choice", 0))


def embedders_of(recognisers: Mapping[str, Recogniser | Awaited]) -> dict[str, Embedder]:
    """By id; of several with one model the first."""
    found: dict[str, Embedder] = {}
    models: set[str] = set()
    for name, recogniser in recognisers.items():
        if isinstance(recogniser, Embedder) and recogniser.model.id not in models:
            found[name] = recogniser
            models.add(recogniser.model.id)
    return found


def finders_of(recognisers: Mapping[str, Recogniser | Awaited], settings: Settings) -> dict[str, str]:
    """Which embedder finds faces for each identifier, by id. Raises Failure for a finder that is a service."""
    first = next(name for name, one in recognisers.items() if _embeds(one))
    asked = {part.id: part.finder for part in settings.recognizer.parts}
    finders = {name: asked.get(name) or first for name, one in recognisers.items() if not _embeds(one)}
    for name, finder in finders.items():
        if not _embeds(recognisers[finder]):
            raise Failure(
                f"recognizer {finder} finds no faces itself, and is the finder of {name}",
                hint="name a recogniser of this machine at finder, or remove it",
            )
    return finders


def unable(recognisers: Mapping[str, Recogniser | Awaited], settings: Settings) -> dict[str, PluginError]:
    """Why nobody can be enrolled for them now: embedders that are not open, and services whose finder is not.

    Raises Failure for a finder that is a service.
    """
    found = {name: one.why for name, one in recognisers.items() if isinstance(one, Awaited) and _embeds(one)}
    for name, finder in finders_of(recognisers, settings).items():
        if finder in found:
            found[name] = NotReady(f"{finder}, which finds faces for it, does not work")
    return found


async def judge_of(
    recognisers: Mapping[str, Recogniser | Awaited], settings: Settings, database: Database, clock: Clock
) -> Judge:
    """What decides, by these recognisers as `settings` puts them together; what only one that is not open could say
    waits for it. Raises DatabaseError and Failure."""
    members: dict[str, Member] = {}
    embedders: dict[str, EmbedderMember] = {}
    absent = {name: AbsentMember(name, one) for name, one in recognisers.items() if isinstance(one, Awaited)}
    for name, one in recognisers.items():
        if isinstance(one, Embedder):
            policy = await policy_for(database, one.model, settings.policy_of(name))
            gallery = GalleryKeeper(database, one.model.id, one.model.metric, clock)
            members[name] = embedders[name] = EmbedderMember(one, gallery, policy)
    for name, finder in finders_of(recognisers, settings).items():
        service = recognisers[name]
        if isinstance(service, Identifier) and finder in embedders:
            policy = await policy_for(database, service.model, settings.policy_of(name))
            pseudonymous = Pseudonymous(service, settings.gallery_of(name), database, clock)
            members[name] = IdentifierMember(pseudonymous, embedders[finder], embedders[finder].gallery, policy)
    for name in recognisers.keys() - members.keys():  # a service whose finder is absent is as good as absent
        members[name] = absent.get(name) or next(iter(absent.values()))
    rules: dict[str, Rule] = {name: Chain([member], clock) for name, member in members.items()}
    for combination in settings.recognizer.combinations:
        asked = [members[name] for name in combination.members]
        if isinstance(combination, Chained):
            rules[combination.id] = Chain(asked, clock, combination.reach)
        else:
            gone = next((member for member in asked if isinstance(member, AbsentMember)), None)
            rules[combination.id] = Chain([gone], clock) if gone else Ensemble(asked, combination.agree)
    default = settings.recognizer.default
    finding = [one for one in absent.values() if _embeds(one.awaited)]
    return Judge({default: rules.pop(default)} | rules, list(embedders.values()), routes_of(settings), absent=finding)


def remote_galleries_of(
    recognisers: Mapping[str, Recogniser | Awaited],
    settings: Settings,
    database: Database,
    storage: Storage,
    clock: Clock,
) -> dict[str, RemoteGallery]:
    """Those that the services among them keep, by id, also of services that are not open; without those whose finder
    is not. Raises Failure for a finder that is a service."""
    galleries = {}
    for name, finder in finders_of(recognisers, settings).items():
        service, embedder = recognisers[name], recognisers[finder]
        if isinstance(embedder, Embedder):
            assert isinstance(service, Identifier | Awaited)
            galleries[name] = RemoteGallery(
                name, settings.gallery_of(name), service, embedder.model.id, database, storage, clock
            )
    return galleries


def routes_of(settings: Settings) -> dict[str, str]:
    """The recogniser of each camera that names one."""
    return {camera.id: camera.recognizer for camera in settings.cameras if camera.recognizer}


@asynccontextmanager
async def open_recognisers(
    wanted: Sequence[RecognizerPart], spare: Callable[[], RecognizerPart], opener: Opener
) -> AsyncIterator[Recognisers]:
    """Those that do not open are awaited. Raises PluginError where nothing finds faces now."""
    async with Recognisers() as recognisers:
        await recognisers.follow(wanted, spare, opener, patient=True)
        if not embedders_of(recognisers.now):
            raise next(one.why for one in recognisers.awaited.values() if not one.identifier)
        yield recognisers
