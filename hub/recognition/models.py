"""What looked at a frame, as one text: a model's id, or those of an ensemble and how many must agree."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ENSEMBLE = re.compile(r"(\d+) of (.+)", re.DOTALL)
_AND = " + "


def combined(ids: Sequence[str], agree: int) -> str:
    """Names an ensemble of these models."""
    return f"{agree} of {_AND.join(ids)}"


def needed(looked: str) -> tuple[int, list[str]]:
    """How many of which models must have somebody's template, for that person to be recognised by what looked."""
    match = _ENSEMBLE.fullmatch(looked)
    return (int(match[1]), match[2].split(_AND)) if match else (1, [looked])
