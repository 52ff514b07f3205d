"""Dataclasses as the one source of what the API takes and gives: JSON Schema, parsing and JSON all follow their types.

A field's name is the JSON name, less the underscore that keeps it from being a keyword (`class_`); a string in its
`Annotated` is its description.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Between:
    """In an `Annotated` integer: its bounds, both included."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Text:
    """In an `Annotated` string: its length in characters, and what it must match in full."""

    longest: int
    pattern: str = ""


class Unfit(ValueError):
    """A value that is not of its shape; the message says which, and what would be."""


@dataclass(frozen=True, slots=True)
class Member:
    """A field of a dataclass: its name outside, its bare type (`kind`), whether None will do, and its annotations."""

    name: str
    field: str
    kind: Any
    optional: bool
    required: bool
    default: Any
    notes: tuple[Any, ...]

    @property
    def description(self) -> str:
        return next((note for note in self.notes if isinstance(note, str)), "")

    def note(self, wanted: type[T]) -> T | None:
        return next((note for note in self.notes if isinstance(note, wanted)), None)


@cache
def members(shape: Any) -> tuple[Member, ...]:
    """The fields of a dataclass, or of a parametrised generic one."""
    origin = get_origin(shape) or shape
    hints = get_type_hints(origin, include_extras=True)
    parameters = dict(zip(getattr(origin, "__parameters__", ()), get_args(shape), strict=False))
    return tuple(_member(field, hints[field.name], parameters) for field in fields(origin))


def _member(field: Field[Any], hint: Any, parameters: Mapping[Any, Any]) -> Member:
    notes: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *found = get_args(hint)
        notes = tuple(found)
    hint, optional = _without_none(hint)
    if get_origin(hint) is tuple:
        item, *_ = get_args(hint)
        hint = tuple[parameters.get(item, item), ...]  # type: ignore[misc]  # made at run time
    required = field.default is MISSING and field.default_factory is MISSING
    default = None if required else field.default
    return Member(field.name.rstrip("_"), field.name, hint, optional, required, default, notes)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        if len(kinds) == 1:
            return kinds[0], len(kinds) < len(get_args(hint))
    return hint, False


# --- JSON -------------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value of a shape as what `json` takes: times in UTC with Z, dates in ISO form."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name.rstrip("_"): plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def to_json(value: Any) -> bytes:
    """What is not text in a name (a lone surrogate) is replaced: JSON has to be UTF-8."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


# --- JSON Schema ------------------------------------------------------------------------------------------------


def schema(shape: Any, components: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type; dataclasses are collected in `components` by name and referred to."""
    if isinstance(shape, type) and issubclass(shape, StrEnum):
        return {"type": "string", "enum": [str(member) for member in shape]}
    if get_origin(shape) is tuple:
        return {"type": "array", "items": schema(get_args(shape)[0], components)}
    if get_origin(shape) is Mapping or get_origin(shape) is dict:
        return {"type": "object", "additionalProperties": schema(get_args(shape)[1], components)}
    if is_dataclass(get_origin(shape) or shape):
        return _object(shape, components)
    return dict(_PLAIN[shape])


_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    Any: {},
}


def _object(shape: Any, components: dict[str, Any]) -> dict[str, Any]:
    origin = get_origin(shape) or shape
    name = "".join(part.__name__ for part in (*get_args(shape), origin))
    if name not in components:
        components[name] = {}  # for a shape that refers to itself
        parts = members(shape)
        components[name] = {
            "type": "object",
            "description": (origin.__doc__ or "").strip().partition("\n")[0],
            "properties": {part.name: member_schema(part, components) for part in parts},
            "required": [part.name for part in parts],
        }
    return {"$ref": f"#/components/schemas/{name}"}


def member_schema(part: Member, components: dict[str, Any]) -> dict[str, Any]:
    found = schema(part.kind, components)
    if bounds := part.note(Between):
        found |= {"minimum": bounds.least, "maximum": bounds.most}
    if text := part.note(Text):
        found |= {"minLength": 1, "maxLength": text.longest}
        if text.pattern:
            found |= {"pattern": f"^(?:{text.pattern})$"}
    if part.optional and part.required:  # of an answer: null is said, of a parameter: it is left out
        found = {"anyOf": [found, {"type": "null"}]}
    if part.description:
        found |= {"description": part.description}
    if not part.required and part.default is not None:
        found |= {"default": plain(part.default)}
    return found


# --- parsing ----------------------------------------------------------------------------------------------------


def parse(
    shape: Callable[..., T],
    given: Iterable[tuple[str, str]],
    *,
    what: str,
    called: Callable[[Member], str] = lambda part: part.name,
) -> T:
    """A dataclass from names and texts of a request: `what` they are, and what each is `called`. Raises Unfit."""
    parts = {called(part): part for part in members(shape)}
    values: dict[str, Any] = {}
    for name, text in given:
        if name not in parts:
            close = get_close_matches(name, parts, 1)
            raise Unfit(f"there is no {what} {name[:60]!r}; " + (f"do you mean {close[0]}?" if close else _all(parts)))
        part = parts[name]
        if part.field in values:
            raise Unfit(f"the {what} {name} is given twice")
        try:
            values[part.field] = read(part, text)
        except Unfit as problem:
            raise Unfit(f"the {what} {name} is {problem}") from None
    missing = [name for name, part in parts.items() if part.required and part.field not in values]
    if missing:
        raise Unfit(f"the {what} {missing[0]} is missing")
    return shape(**values)


def read(part: Member, text: str) -> Any:
    """One value of a request. Raises Unfit."""
    if "\0" in text or text != text.encode("utf-8", "ignore").decode():
        raise Unfit("not text")
    if isinstance(part.kind, type) and issubclass(part.kind, StrEnum):
        if text not in list(part.kind):
            raise Unfit("none of " + ", ".join(part.kind))
        return part.kind(text)
    return _READERS[part.kind](part, text)


def _all(parts: Iterable[str]) -> str:
    return "there are " + ", ".join(parts) if parts else "it takes none"


def _text(part: Member, text: str) -> str:
    limits = part.note(Text)
    if limits and not 1 <= len(text) <= limits.longest:
        raise Unfit(f"not 1 to {limits.longest} characters long")
    if limits and limits.pattern and not re.fullmatch(limits.pattern, text, re.ASCII):
        raise Unfit(f"not as it should be: {part.description}")
    return text


def _integer(part: Member, text: str) -> int:
    bounds = part.note(Between) or Between(0, 2**63 - 1)
    if not re.fullmatch(r"-?\d{1,19}", text, re.ASCII) or not bounds.least <= int(text) <= bounds.most:
        raise Unfit(f"not a whole number from {bounds.least} to {bounds.most}")
    return int(text)


def _boolean(part: Member, text: str) -> bool:
    if text not in ("true", "false"):
        raise Unfit("neither true nor false")
    return text == "true"


EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
"""Days beyond are nobody's, and near the ends of the calendar no time zone can be applied."""


def _date(part: Member, text: str) -> date:
    try:
        found = date.fromisoformat(text if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else "")
    except ValueError:
        raise Unfit("not a date; write for example 2026-11-16") from None
    if not EARLIEST <= found <= LATEST:
        raise Unfit(f"not between {EARLIEST} and {LATEST}")
    return found


def _moment(part: Member, text: str) -> datetime:
    wanted = "write it with its zone, for example 2026-11-16T09:00:00+01:00 or 2026-11-16T08:00:00Z"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Unfit(f"not a time; {wanted}") from None
    if found.utcoffset() is None:
        raise Unfit(f"a time without a zone; {wanted}")
    if not EARLIEST < found.date() < LATEST:
        raise Unfit(f"not between {EARLIEST} and {LATEST}")
    return found.astimezone(UTC)


_READERS: dict[Any, Callable[[Member, str], Any]] = {
    str: _text,
    int: _integer,
    bool: _boolean,
    date: _date,
    datetime: _moment,
}
