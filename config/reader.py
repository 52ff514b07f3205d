"""hub.yaml → plain data, and where each piece of it stands.

Beyond YAML: `!secret NAME` (from secrets.yaml beside hub.yaml), `!env_var NAME [default]` and `!include FILE`
(relative to the file that says so). Keys are text as written; `!secret` and `!env_var` give text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from .files import Source, Unreadable, nodes
from .problems import Place, Problem, quoted, suggestion
from .scalars import DEEPEST, MERGE, TAG, value_of
from .secret import Secret, redact

Keys: TypeAlias = tuple[str | int, ...]
"""The way from the top to a value: keys of mappings, indices of lists."""

MOST_VALUES: Final = 100_000
INCLUDE_COST: Final = 100
"""An !include counts as so many values."""
SECRETS: Final = "secrets.yaml"
_TAGS = ("secret", "include", "env_var")
_SCALARS = frozenset(TAG + name for name in ("str", "null", "bool", "int", "float"))


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration as read. `problems` are those of reading; what could not be read is absent, or None in a
    list, and named in `unread`. `written` keeps numbers, true and false as they stand in the file; `files` are the
    real paths of all that was read or looked for."""

    file: str
    data: Mapping[str, Any] = field(repr=False)
    places: Mapping[Keys, Place] = field(repr=False)
    written: Mapping[Keys, str] = field(repr=False)
    unread: frozenset[Keys]
    secrets: frozenset[str] = field(repr=False)
    problems: tuple[Problem, ...]
    files: tuple[Path, ...] = ()

    def place(self, keys: Keys) -> Place:
        """Where `keys` stands; for what is missing, where its parent does."""
        while keys and keys not in self.places:
            keys = keys[:-1]
        return self.places.get(keys, Place(self.file, 1))

    def redact(self, text: str) -> str:
        return redact(text, self.secrets)


def read(path: Path, environ: Mapping[str, str]) -> Document:
    """Reads `path` and what it includes. Never raises for what the files hold: see `Document.problems`."""
    return _Reader(path, environ).document()


class _TooMuch(Exception):
    """The whole reading ends."""


class _Missing(Exception):
    """This one value cannot be had."""


class _Reader:
    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self.environ = environ
        self.places: dict[Keys, Place] = {}
        self.written: dict[Keys, str] = {}
        self.unread: set[Keys] = set()
        self.secrets: set[str] = set()
        self.problems: list[Problem] = []
        self.files: dict[Path, yaml.Node | Unreadable] = {}
        self.values = 0

    def document(self) -> Document:
        data: Any = None
        try:
            source = Source.first(self.path)
            data = self.value(self.load(source), (), source)
            if not isinstance(data, dict):
                self.report(self.places[()], "the top level is not a mapping", "begin with sections such as `hub:`")
        except Unreadable as error:
            self.problems.append(error.problem)
        except (_TooMuch, _Missing):
            pass
        readable = isinstance(data, dict)
        return Document(
            file=self.path.name,
            data=data if readable else {},
            places=self.places,
            written=self.written,
            unread=frozenset(self.unread if readable else {()}),
            secrets=frozenset(self.secrets),
            problems=tuple(dict.fromkeys(self.problems)),
            files=tuple(self.files),
        )

    def report(self, place: Place, message: str, hint: str) -> None:
        self.problems.append(Problem(place, message, hint))

    def refuse(self, place: Place, message: str, hint: str) -> _Missing:
        self.report(place, message, hint)
        return _Missing()

    def load(self, source: Source, *, private: bool = False) -> yaml.Node:
        real = source.includes[-1]
        if real not in self.files:
            try:
                self.files[real] = nodes(source, private=private)
            except Unreadable as error:
                self.files[real] = error
        found = self.files[real]
        if isinstance(found, Unreadable):
            raise found
        return found

    def count(self, place: Place, depth: int, cost: int = 1) -> None:
        self.values += cost
        if depth > DEEPEST:
            self.report(place, f"nested deeper than {DEEPEST} levels", "look for an alias that contains itself")
            raise _TooMuch
        if self.values > MOST_VALUES:
            self.report(place, f"more than {MOST_VALUES:,} values", "look for aliases or files repeated many times")
            raise _TooMuch

    def value(self, node: yaml.Node, keys: Keys, source: Source) -> Any:
        """The value of `node`, noted under `keys`; raises _Missing once its problem is noted."""
        place = source.place(node)
        self.places.setdefault(keys, place)
        self.count(place, len(keys))
        if not node.tag.startswith(TAG):
            return self.tagged(node, keys, source)
        if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
            return self.mapping(node, keys, source)
        if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
            return self.sequence(node, keys, source)
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self.scalar(node, keys, source)
        if isinstance(node, yaml.ScalarNode) and node.tag == MERGE:
            return str(node.value)
        raise self.refuse(place, f"the tag !!{node.tag.removeprefix(TAG)} is not used here", "remove it")

    def scalar(self, node: yaml.ScalarNode, keys: Keys, source: Source) -> Any:
        try:
            value = value_of(node)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            raise self.refuse(source.place(node), message, hint) from None
        if not isinstance(value, str) and value is not None:
            self.written[keys] = node.value
        return value

    def sequence(self, node: yaml.SequenceNode, keys: Keys, source: Source) -> list[Any]:
        found: list[Any] = []
        for index, child in enumerate(node.value):
            try:
                found.append(self.value(child, (*keys, index), source))
            except _Missing:
                self.unread.add((*keys, index))
                found.append(None)
        return found

    def mapping(self, node: yaml.MappingNode, keys: Keys, source: Source) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, (place, child) in self.pairs(node, source, len(keys)).items():
            self.places[(*keys, key)] = place
            try:
                found[key] = self.value(child, (*keys, key), source)
            except _Missing:
                self.unread.add((*keys, key))
        return found

    def pairs(self, node: yaml.MappingNode, source: Source, depth: int) -> dict[str, tuple[Place, yaml.Node]]:
        """The mapping's own pairs and those it merges (`<<`); its own win, then the first merged."""
        self.count(source.place(node), depth)
        own: dict[str, tuple[Place, yaml.Node]] = {}
        merged: dict[str, tuple[Place, yaml.Node]] = {}
        for key_node, child in node.value:
            place = source.place(key_node)
            if key_node.tag == MERGE:
                for other in self.merges(child, source):
                    merged = self.pairs(other, source, depth + 1) | merged
                continue
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _SCALARS or not key_node.value:
                self.report(place, "a key must be plain text", "write `key: value`")
                continue
            key: str = key_node.value
            if key in own:
                first = own[key][0]
                self.report(
                    place, f"the key {quoted(key)} is already set in line {first.line}", "remove one of the two"
                )
                continue
            own[key] = (place, child)
        return merged | own

    def merges(self, node: yaml.Node, source: Source) -> Iterator[yaml.MappingNode]:
        for other in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(other, yaml.MappingNode):
                yield other
            else:
                self.report(source.place(other), "<< merges only mappings", "write `<<: *name` of an anchored mapping")

    def tagged(self, node: yaml.Node, keys: Keys, source: Source) -> Any:
        place = source.place(node)
        tag = node.tag.removeprefix("!")
        if tag not in _TAGS:
            hint = suggestion(node.tag, [f"!{known}" for known in _TAGS])
            raise self.refuse(place, f"the tag {quoted(node.tag)} is unknown", hint)
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self.refuse(place, f"!{tag} needs a name", f"write `!{tag} NAME`")
        argument = node.value.strip()
        if tag == "include":
            return self.include(argument, keys, source, place)
        value = self.secret(argument, place) if tag == "secret" else self.variable(argument, place)
        if isinstance(value, Secret):
            self.secrets.add(str(value))
        return value

    def include(self, name: str, keys: Keys, source: Source, place: Place) -> Any:
        try:
            included = source.beside(name)
            real = included.includes[-1]
        except (OSError, ValueError, RuntimeError):
            raise self.refuse(place, f"!include {quoted(name)}: no usable file name", "check the name") from None
        if real in source.includes:
            raise self.refuse(place, f"!include {quoted(name)}: the file includes itself", "remove one !include")
        if real == (self.path.parent / SECRETS).resolve():
            raise self.refuse(place, f"{SECRETS} cannot be included", "use `!secret NAME` for each value")
        try:
            root = self.load(included)
        except Unreadable as error:
            if not error.problem.line:
                raise self.refuse(
                    place, f"!include {quoted(name)}: {error.problem.message}", "check the name"
                ) from None
            self.problems.append(error.problem)
            raise _Missing from None
        self.count(place, len(keys), INCLUDE_COST)
        return self.value(root, keys, included)

    def variable(self, argument: str, place: Place) -> str:
        name, _, default = argument.partition(" ")
        try:
            value = self.environ.get(name)
        except ValueError:
            value = None
        if value is None and default.strip():
            return default.strip()
        if value is None:
            hint = f"set it, or give a default: `!env_var {name} default`"
            raise self.refuse(place, f"the environment variable {quoted(name)} is not set", hint)
        if not value.isprintable():
            raise self.refuse(place, f"the environment variable {quoted(name)} holds control characters", "set it anew")
        return Secret(value)

    def secret(self, name: str, place: Place) -> Secret:
        source = Source.first(self.path).beside(SECRETS)
        try:
            root = self.load(source, private=True)
        except Unreadable as error:
            if error.problem.line:
                self.problems.append(error.problem)
                raise _Missing from None
            hint = f'create it beside {self.path.name}, with a line `{name}: "the value"`'
            raise self.refuse(place, f"!secret {name}: {SECRETS}: {error.problem.message}", hint) from None
        if not isinstance(root, yaml.MappingNode):
            raise self.refuse(source.place(root), f"{SECRETS} is not a mapping", 'write lines of `name: "value"`')
        known = self.pairs(root, source, 0)
        if name not in known:
            hint = suggestion(name, known, f'add a line `{name}: "the value"`')
            raise self.refuse(place, f"!secret {name}: {source.name} has no such key", hint)
        where, node = known[name]
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _SCALARS or not node.value:
            raise self.refuse(where, f"the secret {quoted(name)} is not text", f'write `{name}: "the value"`')
        if any("\ud800" <= letter <= "\udfff" for letter in node.value):
            raise self.refuse(
                where, f"the secret {quoted(name)} holds half of a character", "write the character itself"
            )
        return Secret(node.value)
