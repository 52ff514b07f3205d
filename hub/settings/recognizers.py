"""Several recognisers in one hub.yaml: which there are, how they are put together, and which camera asks which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config import Document, Keys, Problem, nearest, problem_at

from .model import Agreeing, Chained, RecognizerPart, Recognizers


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of `recognizer:` as far as it is valid; `members` names the key that makes it a combination, and a
    `service` is one whose platform finds no faces itself."""

    keys: Keys
    values: Mapping[str, Any]
    members: str = ""
    service: bool = False

    @property
    def id(self) -> str:
        return str(self.values.get("id", self.values.get("platform", "")))


def entries_of(section: Any) -> list[tuple[Keys, Any]]:
    """Where each recogniser stands, and what is written there: a section without a dash is a list of one."""
    if isinstance(section, list):
        return [(("recognizer", index), options) for index, options in enumerate(section)]
    return [(("recognizer",), section)]


def members_of(options: Any) -> str:
    """The key that makes these options a combination; empty for a platform's."""
    found = [key for key in ("chain", "ensemble") if isinstance(options, Mapping) and key in options]
    return found[0] if found else ""


def problems_of(document: Document, entries: Sequence[Entry], cameras: Iterable[tuple[Keys, str]]) -> Iterator[Problem]:
    """What is wrong between the entries, and with the cameras' choices; `cameras` are those that name a recogniser."""
    if not entries:
        yield from problem_at(document, ("recognizer",), "recognizer is an empty list", "write platform: onnx_local")
        return
    ids = {entry.id for entry in entries}
    platforms = {entry.id for entry in entries if not entry.members}
    services = {entry.id for entry in entries if entry.service}
    yield from _same_ids(document, entries)
    if not platforms:
        hint = "add an entry with a platform: the combinations need something to combine"
        yield from problem_at(document, ("recognizer",), "recognizer names no platform", hint)
    for entry in entries:
        if entry.members:
            yield from _combination(document, entry, ids, platforms)
        elif (finder := entry.values.get("finder")) is not None:
            where = (*entry.keys, "finder")
            if finder == entry.id:
                yield from problem_at(document, where, f"{finder!r} cannot find its own faces", "name an embedder")
            elif finder in services:
                fact = f"{finder!r} is a service, which finds no faces itself"
                yield from problem_at(document, where, fact, "name a recogniser of this machine, or remove finder")
            else:
                yield from _unknown(document, where, finder, ids, platforms)
    for keys, chosen in cameras:
        yield from _unknown(document, (*keys, "recognizer"), chosen, ids, ids)


def recognizers_of(entries: Sequence[Entry], parts: Sequence[RecognizerPart]) -> Recognizers:
    combinations: list[Chained | Agreeing] = []
    for entry in entries:
        if entry.members == "chain":
            members = tuple(entry.values["chain"])
            reach = entry.values["reach"]
            combinations.append(Chained(entry.id, members, reach if len(reach) > 1 else reach * (len(members) - 1)))
        elif entry.members == "ensemble":
            members = tuple(entry.values["ensemble"])
            combinations.append(Agreeing(entry.id, members, entry.values.get("agree", len(members))))
    return Recognizers(tuple(parts), tuple(combinations), entries[0].id)


def _same_ids(document: Document, entries: Sequence[Entry]) -> Iterator[Problem]:
    seen: dict[str, Keys] = {}
    for entry in entries:
        if entry.id and (first := seen.setdefault(entry.id, entry.keys)) != entry.keys:
            line = document.place(first).line
            message = f"the recognizer id {entry.id!r} is already used in line {line}"
            where = (*entry.keys, "id") if "id" in entry.values else entry.keys
            yield from problem_at(document, where, message, "give each entry an id of its own")


def _combination(document: Document, entry: Entry, ids: set[str], platforms: set[str]) -> Iterator[Problem]:
    members = entry.values.get(entry.members)
    if members is None:
        return
    where = (*entry.keys, entry.members)
    for index, member in enumerate(members):
        if member in members[:index]:
            yield from problem_at(document, (*where, index), f"{member!r} is listed twice", "remove one of them")
        else:
            yield from _unknown(document, (*where, index), member, ids, platforms)
    if len(members) < 2:
        fact = f"{entry.members} has {'one member' if members else 'no members'}"
        yield from problem_at(document, where, fact, "name two at least, or remove the entry")
    steps = max(len(members) - 1, 1)
    reach = entry.values.get("reach", ())
    if len(reach) not in (0, 1, steps):
        fact = f"reach has {len(reach)} numbers, and there are {len(members)} members"
        hint = f"write one for each but the last ({steps}), or a single one for all"
        yield from problem_at(document, (*entry.keys, "reach"), fact, hint)
    agree = entry.values.get("agree")
    if agree is not None and agree > len(members) >= 2:
        fact = f"agree is {agree}, and there are {len(members)} members"
        yield from problem_at(document, (*entry.keys, "agree"), fact, f"write a number from 2 to {len(members)}")


def _unknown(document: Document, where: Keys, name: str, ids: set[str], allowed: set[str]) -> Iterator[Problem]:
    if name in allowed:
        return
    if name in ids:
        fact = f"{name!r} is a combination itself"
        yield from problem_at(document, where, fact, "name recognisers that have a platform")
        return
    match = nearest(name, allowed)
    hint = f"did you mean {match!r}?" if match else f"known are {', '.join(sorted(allowed)) or 'none'}"
    yield from problem_at(document, where, f"no recogniser has the id {name!r}", hint)
