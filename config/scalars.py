"""Scalars: null, true, false and numbers as JSON writes them; everything else is text.

PyYAML follows YAML 1.1, where `start: 10:00` is the number 600 while `start: 09:00` is text, `room: 010` is 8, and
`class: no` is false. This is the JSON schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#102-json-schema), with the
core schema's spellings of null and true, and text where it would refuse.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml
from yaml.composer import ComposerError

TAG = "tag:yaml.org,2002:"
MERGE = TAG + "merge"
DEEPEST = 40
"""Levels of nesting that are read; hub.yaml needs five."""

_PATTERNS = (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789"),
    ("merge", r"<<", "<"),
)
_LONGEST_NUMBER = 18


class Loader(yaml.SafeLoader):
    """PyYAML's composer with these scalars and a bound on nesting. Only composes."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    levels = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.levels += 1
        if self.levels > DEEPEST:
            where = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise ComposerError(None, None, f"nested deeper than {DEEPEST} levels", where)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.levels -= 1
        return node


for _name, _pattern, _first in _PATTERNS:
    Loader.add_implicit_resolver(
        TAG + _name, re.compile(f"^(?:{_pattern})$"), [*_first, ""] if _name == "null" else list(_first)
    )


def value_of(node: yaml.ScalarNode) -> str | int | float | bool | None:
    """What a scalar means; raises ValueError (`what is wrong; what to do`)."""
    text: str = node.value
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("half of a character (a lone surrogate); write the character itself")
    match node.tag.removeprefix(TAG):
        case "null":
            return None
        case "bool":
            if not re.fullmatch("true|false", text, re.IGNORECASE):
                raise ValueError("neither true nor false; write one of them")
            return text.lower() == "true"
        case "int":
            return _integer(text)
        case "float":
            return _float(text)
    return text


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("a number of this length is not kept exactly; put it in quotes")
    try:
        return int(text)
    except ValueError:
        raise ValueError("not a whole number; write digits") from None


def _float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("not a number that can be computed with; write digits, or put text in quotes")
    return number
