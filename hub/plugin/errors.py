"""What a plugin raises to say what the hub should do next."""

from __future__ import annotations


class PluginError(Exception):
    """The root of what a plugin may raise on purpose.

    `message` names the thing and the fact; `hint` names the next step. Both are shown to people, so neither
    may hold a secret, a person's name or a URL with credentials.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class NotReady(PluginError):
    """Not now, perhaps later: the hub tries again with jittered back-off."""


class NeedsHuman(PluginError):
    """Only a person can help (a wrong key, a missing folder): parked and shown until the configuration changes."""


class Permanent(PluginError):
    """Will never work as configured: parked and shown; `fras check` should have said so."""


class NotFound(PluginError):
    """A storage holds nothing under the key it was asked for."""


class StorageFull(NotReady):
    """A storage has no room: reported, and the write is tried again later."""
