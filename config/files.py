"""One YAML file: bytes → text → nodes, or the problem that prevents it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.reader import ReaderError

from .problems import Place, Problem
from .scalars import Loader

BIGGEST = 1_000_000
"""Bytes; a timetable of 5,000 lectures is half of it."""


class Unreadable(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Source:
    """A file being read. `name` is how problems call it; `includes` the files that led here, itself the last."""

    path: Path
    name: str
    includes: tuple[Path, ...]

    @classmethod
    def first(cls, path: Path) -> Source:
        return cls(path, path.name, (_real(path),))

    def beside(self, name: str) -> Source:
        """Another file, `name` being relative to this one's folder; raises ValueError or OSError."""
        path = self.path.parent / name
        return Source(path, os.path.normpath(Path(self.name).parent / name), (*self.includes, _real(path)))

    def place(self, node: yaml.Node) -> Place:
        return Place(self.name, node.start_mark.line + 1)


def _real(path: Path) -> Path:
    """Without links; where they lead in a circle, reading says so."""
    return Path(os.path.realpath(path))


def nodes(source: Source, *, private: bool = False) -> yaml.Node:
    """The root node; raises Unreadable. Of a `private` file nothing is quoted."""
    text = _text(source)
    try:
        loader = Loader(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _unreadable(source, line, "a control character", "remove it") from None
    try:
        root: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _syntax(source, error, private) from None
    except (ValueError, OverflowError, yaml.YAMLError):
        raise _unreadable(source, loader.line + 1, "cannot be understood as YAML", "check this line") from None
    if root is None:
        raise _unreadable(source, 1, "the file is empty", "see the shipped hub.yaml for what it may hold")
    return root


def _text(source: Source) -> str:
    try:
        if source.path.exists() and not source.path.is_file():
            raise _unreadable(source, 0, "this is not a file", "name a YAML file")
        with source.path.open("rb") as file:
            data = file.read(BIGGEST + 1)
    except FileNotFoundError:
        raise _unreadable(source, 0, "there is no such file", "check the name, or create it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no usable file name"
        raise _unreadable(source, 0, f"cannot be read ({reason})", "check its permissions") from None
    if len(data) > BIGGEST:
        raise _unreadable(source, 0, f"larger than {BIGGEST:,} bytes", "split it with !include, or check its name")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fact = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise _unreadable(source, line, fact, "save the file with the encoding UTF-8") from None


def _syntax(source: Source, error: yaml.MarkedYAMLError, private: bool) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    if private:
        return _unreadable(source, line, "not valid YAML", 'write `name: "value"`, the value in quotes')
    problem = error.problem or "unexpected"
    since = error.context_mark
    began = f" ({error.context}, which began in line {since.line + 1})" if since and error.context else ""
    if "'\\t'" in problem:
        return _unreadable(source, line, "a tab character", "indent with spaces; YAML does not allow tabs there")
    if "<stream end>" in problem:
        return _unreadable(source, line, f"the file ends too early{began}", "close the bracket or quote")
    if "single document" in (error.context or ""):
        return _unreadable(source, line, "a second document begins here", "remove the line ---")
    return _unreadable(source, line, f"not valid YAML: {problem}{began}", _REMEDIES.get(problem, _REMEDY))


_REMEDY = "check indentation, quotes and brackets in this line and the one before"
_REMEDIES = {
    "mapping values are not allowed here": "indent it like its neighbours, or put text with a colon in quotes",
    "could not find expected ':'": "write `key: value`, or put text that spans lines in quotes",
}


def _unreadable(source: Source, line: int, message: str, hint: str) -> Unreadable:
    return Unreadable(Problem(Place(source.name, line), message, hint))
