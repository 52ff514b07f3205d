"""Values that `!secret` and `!env_var` gave: usable as text, never shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"


class Secret(str):
    """Text that shows itself as `'***'` wherever it is printed by repr, also inside a dict or a record."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret masked, also where it was escaped or changed its case.

    A secret of under four characters is masked only where it stands alone: it would blot out ordinary words.
    """
    variants = {form for secret in secrets for form in (str(secret), repr(str(secret))[1:-1], str(secret).strip())}
    for form in sorted(filter(None, variants), key=len, reverse=True):
        pattern = re.escape(form) if len(form) >= 4 else rf"(?<!\w){re.escape(form)}(?!\w)"
        text = re.sub(pattern, MASK, text, flags=re.IGNORECASE)
    return text
