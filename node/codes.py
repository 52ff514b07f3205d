"""QR codes in the camera's picture, read by zxing-cpp (Debian's python3-zxing-cpp); docs/performance.md says why."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from node.parts import CodeReader
from node.wire import Invitation, WireError

if TYPE_CHECKING:
    from node.camera import Luma


class ZxingReader:
    """Tells of invitations alone; what other codes hold goes nowhere.

    The library comes with the first picture: a node that is paired does without its two megabytes.
    """

    def read(self, luma: Luma) -> Sequence[str]:
        import numpy as np
        import zxingcpp

        library: Any = zxingcpp  # newer ones have types, which Debian's does not fit
        try:
            found = library.read_barcodes(np.ascontiguousarray(luma), formats=library.BarcodeFormat.QRCode)
        except (ValueError, RuntimeError, TypeError):  # of a picture without pixels
            return []
        return [code.text for code in found if is_invitation(code.text)]


def is_invitation(text: str) -> bool:
    try:
        Invitation.of(text)
    except WireError:
        return False
    return True


def make_reader() -> CodeReader | None:
    """None where the board has nothing to read codes with."""
    return ZxingReader() if find_spec("zxingcpp") else None
