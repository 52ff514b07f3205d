"""How a hub shows that it is the one that a node was paired with, though it has other keys now."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

_PURPOSE: Final = b"fras: the hub that knew this node\0"


def proof_of(known: bytes, token: bytes, credential: bytes) -> bytes:
    """HMAC-SHA256 under `known`, the SHA-256 of a credential that the hub kept of the node's former life.

    `token` and `credential` are those of the pairing that it is for, so that it is good for no other.
    """
    return hmac.digest(known, _PURPOSE + token + credential, sha256)
