"""Other people's imports of large libraries, put off until something of these libraries is used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def deferred(name: str) -> Iterator[None]:
    """While it lasts, `import name` loads nothing; who imported it so loads it by the first use."""
    later = ModuleType(name)

    def load(attribute: str) -> Any:
        _forget(later)
        return getattr(importlib.import_module(name), attribute)

    later.__getattr__ = load  # type: ignore[method-assign]
    sys.modules.setdefault(name, later)
    try:
        yield
    finally:
        _forget(later)


def _forget(module: ModuleType) -> None:
    if sys.modules.get(module.__name__) is module:
        del sys.modules[module.__name__]
