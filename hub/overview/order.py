"""How texts are sorted and found."""

from __future__ import annotations

import re
import unicodedata

_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe"})
"""Letters that Unicode does not take apart into a plain one and an accent."""


def plain(text: str) -> str:
    """Without case and without accents, so that Łucja is found as Lucja, and stands beside her."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_LETTERS)
    return "".join(char for char in folded if not unicodedata.combining(char))


def natural(text: str) -> tuple[str | int, ...]:
    """For sorting: numbers by their value, so that 9A comes before 10A."""
    parts = re.split(r"(\d+)", plain(text))
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts))
