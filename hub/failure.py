"""What goes wrong in the hub in ways a person can mend."""

from __future__ import annotations


class Failure(Exception):
    """`message` names the thing and the fact, `hint` the next step; neither may hold a secret."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message
