"""What is wrong with a configuration, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Place(NamedTuple):
    """A line of a file, counted from 1; line 0 is the file as a whole."""

    file: str
    line: int


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    """Works, but probably not as meant, or asks for a decision of the school."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: the fact and, as `hint`, the next step. Holds no secret."""

    place: Place
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    @property
    def file(self) -> str:
        return self.place.file

    @property
    def line(self) -> int:
        return self.place.line

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}" if self.line else self.file
        warning = "warning: " if self.severity is Severity.WARNING else ""
        what = f"{self.message}; {self.hint}" if self.hint else self.message
        return _printable(f"{where}: {warning}{what}")


class Invalid(Exception):
    """The configuration cannot be used; `problems` are all of them, warnings included."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return format_problems(self.problems)


def format_problems(problems: Iterable[Problem]) -> str:
    """A line each, `file, line: what is wrong; what to do`, in the order of the lines; no trailing newline."""
    by_file: dict[str, list[Problem]] = {}
    for problem in problems:
        by_file.setdefault(problem.file, []).append(problem)
    return "\n".join(
        str(problem) for found in by_file.values() for problem in sorted(found, key=lambda problem: problem.line)
    )


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that `name` was probably meant to be."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(names)}
    matches = difflib.get_close_matches(name[:80].lower(), by_lower, n=1)
    return by_lower[matches[0]] if matches else None


def suggestion(name: str, names: Iterable[str], otherwise: str | None = None) -> str:
    """A hint: the nearest of `names`, else `otherwise`, else what there is to choose from."""
    known = sorted(names)
    if match := nearest(name, known):
        return f"did you mean {match!r}?"
    if otherwise is not None or not known:
        return otherwise or ""
    return f"there is {', '.join(known)}"


def quoted(text: str) -> str:
    """`text` in quotes, shortened; a Secret as `'***'`."""
    return repr(text) if len(text) <= 60 else repr(text[:57] + "...")


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
