"""Dataclasses from JSON objects and back, strictly: what a peer sends is checked before anything looks at it."""

from __future__ import annotations

import base64
import binascii
import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from .wire import LONGEST_TEXT, WireError

T = TypeVar("T")

LARGEST = 2**53 - 1
"""Integers beyond this do not survive every JSON library."""


def dump(value: object) -> Any:
    """What `json.dumps` takes; bytes become unpadded base64url, None is left out of objects."""
    if is_dataclass(value) and not isinstance(value, type):
        found = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: dump(item) for name, item in found.items() if item is not None}
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
    if isinstance(value, Mapping):
        return {key: dump(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [dump(item) for item in value]
    return value


def parse(text: str) -> dict[str, Any]:
    """The JSON object of a text message. Raises WireError."""
    if len(text) > LONGEST_TEXT or len(text.encode("utf-8", "surrogatepass")) > LONGEST_TEXT:
        raise WireError(f"a text message has at most {LONGEST_TEXT} bytes")
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise WireError("a text message is a JSON object") from None
    if not isinstance(found, dict):
        raise WireError("a text message is a JSON object")
    return found


def build(kind: type[T], found: Mapping[str, Any], name: str) -> T:
    """A `kind` from the object; what it has beyond the fields of `kind` is for newer peers. Raises WireError."""
    values = {}
    for field, hint, required in _fields(kind):  # type: ignore[arg-type]  # a class is hashable
        value = found.get(field)
        if value is None:
            if required:
                raise WireError(f"{name} has no {field}")
            continue
        values[field] = _value(hint, value, f"{name}.{field}")
    try:
        return kind(**values)
    except ValueError as error:
        raise WireError(f"{name}: {error}") from None


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (field.name, hints[field.name], field.default is MISSING and field.default_factory is MISSING)
        for field in fields(kind)
    )


def _value(hint: Any, value: Any, name: str) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (inner for inner in get_args(hint) if inner is not type(None))
    if is_dataclass(hint) and isinstance(hint, type):
        return build(hint, _of(dict, value, name), name)
    if hint is int:
        if abs(_of(int, value, name)) > LARGEST:
            raise WireError(f"{name} is beyond 2^53")
        return value
    if hint is float:
        number = float(_of((int, float), value, name))
        if not math.isfinite(number):
            raise WireError(f"{name} is not a finite number")
        return number
    if hint is bytes:
        return _bytes(_of(str, value, name), name)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple:
        items = _of(list, value, name)
        if inner[-1] is not Ellipsis and len(items) != len(inner):
            raise WireError(f"{name} has {len(inner)} items")
        hints = (inner[0],) * len(items) if inner[-1] is Ellipsis else inner
        return tuple(_value(one, item, f"{name}[{at}]") for at, (one, item) in enumerate(zip(hints, items)))  # noqa: B905
    if origin is not None and issubclass(origin, Mapping):
        return {key: _value(inner[1], item, f"{name}[]") for key, item in _of(dict, value, name).items()}
    return value if hint is Any else _of(hint, value, name)


def _of(kind: Any, value: Any, name: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise WireError(f"{name} has the wrong type")
    return value


def _bytes(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise WireError(f"{name} is not base64url") from None


def _no_constant(name: str) -> None:
    raise ValueError(name)
