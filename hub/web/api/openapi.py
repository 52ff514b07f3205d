"""The OpenAPI 3.1 description, made of the same operations that answer."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from hub import __version__

from . import shapes
from .operations import PREFIX, Operation, header_name
from .shapes import member_schema, schema

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What is the matter (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "hint": {"type": "string", "description": "What to do next."},
    },
    "required": ["type", "title", "status", "detail"],
}

DESCRIPTION = """\
Attendance by face recognition, on premises. Lists with `next` come in pages: `next` of one is `after` of the following.
Times are UTC; dates are the school's local ones. Only this machine is answered, as localhost or 127.0.0.1."""


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    components: dict[str, Any] = {"Problem": PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(operation, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "FRAS",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": dict(sorted(components.items()))},
    }


def _operation(operation: Operation, components: dict[str, Any]) -> dict[str, Any]:
    parameters = [_parameter(part, "path", part.name, components) for part in operation.path_parameters]
    for where, shape in (("query", operation.query), ("header", operation.headers)):
        if shape is not None:
            for part in shapes.members(shape):
                name = part.name if where == "query" else header_name(part)
                parameters.append(_parameter(part, where, name, components))
    found: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary.rstrip("."),
        "tags": [operation.path.split("/")[1]],
        "parameters": parameters,
        "responses": _responses(operation, components),
    }
    if operation.description:
        found["description"] = operation.description
    if operation.takes is not None:
        content = {operation.takes.media_type: {"schema": {"type": "string", "format": "binary"}}}
        found["requestBody"] = {"required": True, "description": operation.takes.description, "content": content}
    return found


def _parameter(part: shapes.Member, where: str, name: str, components: dict[str, Any]) -> dict[str, Any]:
    found = member_schema(part, components)
    description = found.pop("description", "")
    return {"name": name, "in": where, "required": part.required, "description": description, "schema": found}


def _responses(operation: Operation, components: dict[str, Any]) -> dict[str, Any]:
    if operation.gives is not None:
        content = {operation.gives.media_type: {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": schema(operation.answer, components)}}
    found: dict[str, Any] = {
        str(status): {"description": HTTPStatus(status).phrase, "content": content} for status in operation.done
    }
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in sorted({400, *operation.problems, *((404,) if operation.path_parameters else ())}):
        found[str(status)] = {"description": HTTPStatus(status).phrase, "content": problem}
    found["default"] = {"description": "Any other problem", "content": problem}
    return found
