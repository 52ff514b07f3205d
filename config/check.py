"""Options against a voluptuous schema: every problem with its line, in words, and what is valid besides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import voluptuous as vol
from voluptuous.schema_builder import VirtualPathComponent

from .problems import Problem, Severity, nearest, quoted, suggestion
from .reader import Document, Keys
from .secret import Secret

_NOUNS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "options",
    "a dictionary": "options",
}
_HINTS = {
    "a list": "begin each entry with a dash",
    "options": "write lines of `key: value` below it",
    "true or false": "write true or false",
}
_DIGITS = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")
_PRIVATE = re.compile("pass|secret|token|key|credential|user|pin|url|database|code", re.IGNORECASE)
_LOGIN = re.compile(r"//\S*[@?]")
"""What a URL looks like that may carry a password: before the host, however it is written, or in its query."""


@dataclass(frozen=True, slots=True)
class Checked:
    """`values` holds every option without a problem, defaults included: all of them when `problems` is empty."""

    values: dict[str, Any]
    problems: tuple[Problem, ...] = ()

    @property
    def fine(self) -> bool:
        return not self.problems


def check(
    document: Document, schema: Mapping[Any, Any], options: Any, keys: Keys, name: str, also: Iterable[str] = ()
) -> Checked:
    """Checks `options`, which stand at `keys`, against a dict of voluptuous markers.

    `name` is what problems call the section or platform; `also` are keys that belong there but are checked
    elsewhere: they are left out of `values`, and suggested for a misspelt one.
    """
    unread = document.unread
    if not isinstance(options, Mapping):
        hint = _HINTS["options"]
        return Checked({}, tuple(problem_at(document, keys, f"Invalid config for {name!r}: expected options", hint)))
    mine = {key: value for key, value in options.items() if key not in set(also)}
    try:
        return Checked(dict(vol.Schema(dict(schema))(mine)))
    except vol.MultipleInvalid as error:
        errors = sorted(error.errors, key=lambda error: [str(key) for key in error.path])
    except Exception as error:  # a plugin's validator may raise anything; the check must go on
        message = f"Invalid config for {name!r}: its options cannot be checked ({type(error).__name__})"
        hint = f"report this to the author of {name!r}"
        return Checked(
            {}, () if any(lost[: len(keys)] == keys for lost in unread) else (_at(document, keys, message, hint),)
        )
    problems = tuple(_Wording(document, schema, mine, keys, name, frozenset(also)).problems(errors))
    wrong = {_plain(error.path[0]) for error in errors if error.path}
    return Checked(_remaining(schema, mine, wrong), problems)


def problem_at(
    document: Document, keys: Keys, message: str, hint: str = "", severity: Severity = Severity.ERROR
) -> Iterator[Problem]:
    """The problem, redacted and placed; none when `keys` could not be read, which has been said already."""
    if not any(keys[: len(lost)] == lost for lost in document.unread):
        yield _at(document, keys, message, hint, severity)


def _at(document: Document, keys: Keys, message: str, hint: str = "", severity: Severity = Severity.ERROR) -> Problem:
    return Problem(document.place(keys), document.redact(message), document.redact(hint), severity)


def _plain(key: Any) -> Any:
    return key.schema if isinstance(key, vol.Marker) else key


def _remaining(schema: Mapping[Any, Any], options: Mapping[str, Any], wrong: set[Any]) -> dict[str, Any]:
    """What is valid once the options named in `wrong` are left out."""
    optional = {
        vol.Optional(_plain(key), default=getattr(key, "default", vol.UNDEFINED)): validator
        for key, validator in schema.items()
        if _plain(key) not in wrong and isinstance(_plain(key), str)
    }
    try:
        rest = vol.Schema(optional, extra=vol.REMOVE_EXTRA)
        return dict(rest({key: value for key, value in options.items() if key not in wrong}))
    except Exception:  # the problems are known already; this only gathers what is left
        return {}


@dataclass(frozen=True, slots=True)
class _Wording:
    """Turns voluptuous's errors into problems."""

    document: Document
    schema: Mapping[Any, Any]
    options: Mapping[str, Any]
    keys: Keys
    name: str
    also: frozenset[str]

    def problems(self, errors: Iterable[vol.Invalid]) -> Iterator[Problem]:
        errors = list(errors)
        meant = {match for error in errors if (match := self.meant(error))}
        for error in errors:
            path = tuple(_plain(key) for key in error.path if not isinstance(key, VirtualPathComponent))
            if isinstance(error, vol.RequiredFieldInvalid) and path in meant:
                continue
            message, hint = self.words(error, path)
            yield from problem_at(
                self.document, (*self.keys, *path), f"Invalid config for {self.name!r}: {message}", hint
            )

    def meant(self, error: vol.Invalid) -> Keys | None:
        """For a key that is not an option: the way to the option it was meant to be."""
        if error.msg != "extra keys not allowed":
            return None
        path = tuple(_plain(key) for key in error.path)
        match = nearest(str(path[-1]), self.known(path[:-1]))
        return (*path[:-1], match) if match else None

    def words(self, error: vol.Invalid, path: Keys) -> tuple[str, str]:
        if error.msg == "extra keys not allowed":
            return (
                f"{quoted(str(path[-1]))} is an invalid option, check {self.way(path)}",
                suggestion(str(path[-1]), self.known(path[:-1])),
            )
        if isinstance(error, vol.RequiredFieldInvalid):
            where = f", check {self.way(path[:-1])}" if self.keys or path[:-1] else ""
            return f"the required option {str(path[-1])!r} is missing{where}", f"add a line `{path[-1]}: ...`"
        value = self.value(path)
        fact, hint = self.fact(error, value)
        label = self.way(path, whole=False)
        if value is None and path:
            return f"{label!r} has no value, check {self.way(path)}", "write one, or remove the line"
        got = self.got(path, value)
        return f"{fact}{f' for {label!r}' if label else ''}{got}, check {self.way(path)}", self.hint(
            fact, hint, path, value
        )

    def fact(self, error: vol.Invalid, value: Any) -> tuple[str, str]:
        """What the validator says. A message of a plugin's own about a secret is withheld: it may show it changed."""
        if isinstance(value, Secret) and type(error) is vol.Invalid:
            return "the value that !secret or !env_var gives is not valid", ""
        fact, _, hint = str(error.msg).partition("; ")
        if fact.startswith("expected "):
            kind = fact.removeprefix("expected ")
            fact = f"expected {_NOUNS.get(kind, kind)}"
        return fact, hint

    def hint(self, fact: str, hint: str, path: Keys, value: Any) -> str:
        expected = fact.removeprefix("expected ")
        written = self.document.written.get((*self.keys, *path))
        if expected == "text" and written is not None:
            return f'put it in quotes: "{written}"' if self.public(path) else "put it in quotes"
        if expected in ("a number", "a whole number") and isinstance(value, str) and re.fullmatch(_DIGITS, value):
            return "remove the quotes"
        if fact.startswith("value must be one of") and isinstance(value, str) and not isinstance(value, Secret):
            return suggestion(value, re.findall(r"'([^']*)'", fact), "")
        return hint or _HINTS.get(expected, "")

    def got(self, path: Keys, value: Any) -> str:
        """The value as written, where it is short and nothing that is better not shown."""
        written = self.document.written.get((*self.keys, *path), value)
        if not isinstance(written, str) or isinstance(value, Secret) or not self.public(path) or len(written) > 40:
            return ""
        if _LOGIN.search(written):
            return ""
        return f", got {written!r}"

    def public(self, path: Keys) -> bool:
        return not any(_PRIVATE.search(key) for key in path if isinstance(key, str))

    def value(self, path: Keys) -> Any:
        found: Any = self.options
        for key in path:
            try:
                found = found[key]
            except (LookupError, TypeError):
                return self.options
        return found

    def way(self, path: Keys, *, whole: bool = True) -> str:
        return "->".join(str(key)[:60] for key in ((*self.keys, *path) if whole else path))

    def known(self, path: Keys) -> set[str]:
        """The options that the schema knows below `path`."""
        return (set(self.also) if not path else set()) | set(_options(self.schema, path))


def _options(schema: Any, path: Keys) -> Iterator[str]:
    if isinstance(schema, vol.Schema):
        yield from _options(schema.schema, path)
    elif isinstance(schema, vol.All | vol.Any):
        for part in schema.validators:
            yield from _options(part, path)
    elif isinstance(schema, Mapping):
        for key, inner in schema.items():
            if not path and isinstance(_plain(key), str):
                yield _plain(key)
            elif path and _plain(key) == path[0]:
                yield from _options(inner, path[1:])
    elif isinstance(schema, list | tuple) and path and isinstance(path[0], int):
        for part in schema:
            yield from _options(part, path[1:])
