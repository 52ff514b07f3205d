"""QR codes in the camera's picture: none are read yet; `fras-node pair` takes the invitation."""

from __future__ import annotations

from node.parts import CodeReader


def make_reader() -> CodeReader | None:
    """None where the board has nothing to read codes with."""
    return None
