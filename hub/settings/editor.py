"""A JSON Schema of hub.yaml for editors that complete and underline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

import voluptuous as vol
from voluptuous_openapi import UNSUPPORTED, OpenApiVersion, convert

from hub.plugin.validators import Validator
from hub.runtime.catalog import Kind

from . import schemas
from .model import Platforms

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(platforms: Platforms) -> dict[str, Any]:
    """The JSON Schema (2020-12) of hub.yaml with every platform that `platforms` has loaded."""
    top = _object(schemas.SECTIONS)
    sections = top["properties"]
    sections["hub"] |= _object(schemas.HUB)
    sections["http"] |= _object(schemas.HTTP)
    sections["nodes"] |= _object(schemas.NODES)
    sections["policy"] |= _object(schemas.POLICY)
    sections["recognizer"] |= _recognizers(platforms)
    sections["storage"] |= _part("storage", platforms)
    sections["cameras"] |= {"type": "array", "items": _part("camera", platforms)}
    sections["attendance"] |= _object(schemas.ATTENDANCE)
    lecture = {"if": {"required": ["every"]}, "then": _object(schemas.CYCLE), "else": _object(schemas.LECTURE)}
    sections["attendance"]["properties"]["timetable"] |= {"type": "array", "items": {"type": "object", **lecture}}
    for name in ("http", "policy", "cameras", "attendance"):
        sections[name]["type"] = [sections[name]["type"], "null"]
    return {"$schema": DIALECT, "title": "FRAS hub.yaml", **top}


def _recognizers(platforms: Platforms) -> dict[str, Any]:
    """One platform's options, or a list of such and of what is put together of them."""
    part = _part("recognizer", platforms)
    entry: dict[str, Any] = part
    for key, schema in schemas.COMBINATIONS.items():
        entry = {"if": {"type": "object", "required": [key]}, "then": _object(schema), "else": entry}
    several = {"type": "array", "minItems": 1, "items": entry}
    return {"if": {"type": "array"}, "then": several, "else": part}


def _part(kind: Kind, platforms: Platforms) -> dict[str, Any]:
    """A plugin's section: which options there are depends on `platform`."""
    own = schemas.PARTS[kind]
    names = sorted(platforms.names(kind))
    return {
        **_object(own),
        "properties": {"platform": {"type": "string", "enum": names}},
        "additionalProperties": True,
        "allOf": [
            {
                "if": {"properties": {"platform": {"const": name}}, "required": ["platform"]},
                "then": _object({**platforms.spec(kind, name).config_schema, **own}),
            }
            for name in names
        ],
    }


def _object(schema: Mapping[Any, Any]) -> dict[str, Any]:
    """A dict of voluptuous markers as a closed object; what cannot be expressed is left open."""
    found: dict[str, Any] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    for marker, validator in schema.items():
        key = marker.schema if isinstance(marker, vol.Marker) else marker
        if not isinstance(key, str):
            found["additionalProperties"] = True
            continue
        found["properties"][key] = _described(marker, _option(validator))
        if isinstance(marker, vol.Required) and marker.default is vol.UNDEFINED:
            found["required"].append(key)
    return found


def _described(marker: Any, option: dict[str, Any]) -> dict[str, Any]:
    if description := getattr(marker, "description", None):
        option = {**option, "description": str(description)}
    default = getattr(marker, "default", vol.UNDEFINED)
    if callable(default) and _is_json(value := default()):
        option = {**option, "default": value}
    return option


def _option(validator: Any) -> dict[str, Any]:
    try:
        option = convert(validator, custom_serializer=_own, openapi_version=OpenApiVersion.V3_1)
        plain: dict[str, Any] = json.loads(json.dumps(option, allow_nan=False))
    except Exception:  # a validator of a plugin that cannot be expressed
        return {}
    return plain


def _own(validator: Any) -> Any:
    match validator:
        case Validator():
            return dict(validator.json_schema)
        case vol.In():
            return {"enum": sorted(cast("Iterable[Any]", validator.container), key=str)}
        case Mapping():
            return _object(validator)
    return UNSUPPORTED


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
