"""QR codes in the camera's picture, read by zxing-cpp (Debian's python3-zxing-cpp); docs/performance.md says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from node.parts import CodeReader
from node.wire import Invitation, WireError

if TYPE_CHECKING:
    from node.camera import Luma


class ZxingReader:
    """Tells of invitations alone; what other codes hold goes nowhere."""

    def __init__(self, zxingcpp: Any) -> None:
        self._read = zxingcpp.read_barcodes
        self._qr = zxingcpp.BarcodeFormat.QRCode

    def read(self, luma: Luma) -> Sequence[str]:
        import numpy as np

        try:
            found = self._read(np.ascontiguousarray(luma), formats=self._qr)
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
    try:
        import zxingcpp
    except ImportError:
        return None
    return ZxingReader(zxingcpp)
