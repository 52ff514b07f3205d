"""The numbers both sides agree on before the first byte, and how a connection ends."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

VERSION: Final = 1
"""Raised when an older peer could no longer understand; new messages and fields do not raise it."""
PORT: Final = 8124
PATH: Final = "/node/v1"
LONGEST_TEXT: Final = 65_536
"""Bytes of a text message, at most."""
LIVE_US: Final = 5_000_000
"""A picture sent sooner than this after its capture, in microseconds, is live."""


class WireError(ValueError):
    """A message that is not one. Its text names what is wrong, and never holds a value that may be a secret."""


class Close(IntEnum):
    """Why a side ended the connection (WebSocket close codes of the private range), and what a node does then."""

    MALFORMED = 4001
    """The peer broke the protocol; the node connects again after its longest pause."""
    UNAUTHORISED = 4002
    """No such node, credential or token. The node keeps trying, rarely, and says that it must be paired."""
    REVOKED = 4003
    """The node was removed. It forgets its credential and looks for a new invitation; its spool stays."""
    REPLACED = 4004
    """The same node connected anew; this connection is the older one."""
    DUPLICATE = 4005
    """The credential is in use by a connection that is alive: one of the two is a copy."""
    VERSION = 4006
    """No common version of the protocol."""
    TOO_FAST = 4007
    """More than its limit allows; the node connects again after its longest pause."""
    SILENT = 4008
    """Nothing was heard for too long."""
    STOPPING = 4009
    """The hub stops or restarts; the node connects again after a pause spread at random."""
