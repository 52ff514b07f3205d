"""How a hub shows that it is the one that a node was paired with, though it has other keys now."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

_PURPOSE: Final = b"fras: the hub that knew this node\0"


def proof_of(known: bytes, pin: bytes, token: bytes, credential: bytes) -> bytes:
    """HMAC-SHA256 under `known`, the SHA-256 of a credential that the hub kept of the node's former life.

    `pin` is of the key that the hub shows, `token` and `credential` are those of the pairing: it is good for no other
    pairing, and of no use to somebody in between, who has another key.
    """
    return hmac.digest(known, _PURPOSE + pin + token + credential, sha256)
