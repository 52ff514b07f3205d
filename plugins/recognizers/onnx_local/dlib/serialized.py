"""Reader of dlib's serialisation format (dlib/serialize.h and dlib/cuda/tensor.h).

Integers carry a control byte: the low four bits count the little-endian bytes that follow, the top bit is the
sign. Reals are two integers, mantissa and exponent of two. A tensor is its version, four sizes and raw float32.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

_SPECIAL_REALS: Final = {32000: math.inf, 32001: -math.inf, 32002: math.nan}
_TENSOR_VERSION: Final = 2
_LARGEST_EXPONENT: Final = 1024
"""Of a double between 1/2 and 1."""


class DamagedFileError(ValueError):
    """The bytes are not what dlib would have written."""


class Reader:
    """Reads one serialised object after another; every method raises DamagedFileError where the bytes do not fit."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self._at = 0

    def integer(self) -> int:
        control = self._take(1)[0]
        if control & 0x70 or not 1 <= control & 0x0F <= 8:
            raise self._damaged(f"0x{control:02x} introduces no integer")
        value = int.from_bytes(self._take(control & 0x0F), "little")
        return -value if control & 0x80 else value

    def real(self) -> float:
        mantissa, exponent = self.integer(), self.integer()
        if exponent in _SPECIAL_REALS:
            return _SPECIAL_REALS[exponent]
        if exponent < -2000 or exponent + mantissa.bit_length() > _LARGEST_EXPONENT:
            raise self._damaged(f"{exponent} is no exponent")
        return math.ldexp(mantissa, exponent)

    def text(self) -> str:
        size = self.integer()
        if not 0 <= size <= 1000:
            raise self._damaged(f"{size} is no length of a name")
        try:
            return self._take(size).decode("ascii")
        except UnicodeDecodeError as error:
            raise self._damaged("a name is not ASCII") from error

    def boolean(self) -> bool:
        value = self._take(1)
        if value not in (b"0", b"1"):
            raise self._damaged(f"{value!r} is neither true nor false")
        return value == b"1"

    def expect(self, *allowed: str | int) -> str | int:
        """Reads a name or integer (after the first of `allowed`) and holds it against `allowed`."""
        value = self.text() if isinstance(allowed[0], str) else self.integer()
        if value not in allowed:
            raise self._damaged(f"{value!r} where {' or '.join(map(repr, allowed))} belongs")
        return value

    def tensor(self) -> npt.NDArray[np.float32]:
        """Shape (samples, channels, rows, columns)."""
        self.expect(_TENSOR_VERSION)
        shape = tuple(self.integer() for _ in range(4))
        if any(not 0 <= size <= 1 << 32 for size in shape):
            raise self._damaged(f"{shape} is no shape of a tensor")
        raw = self._take(4 * math.prod(shape))
        values = np.frombuffer(raw, dtype="<f4").reshape(shape)
        if not np.isfinite(values).all():
            raise self._damaged("a weight is not finite")
        return values.astype(np.float32)

    def rest_as_integers(self) -> npt.NDArray[np.int64]:
        """Everything up to the end of the file, which must hold nothing but integers.

        A tight loop: the landmark model is three million of them.
        """
        data, at, end = self._data, self._at, len(self._data)
        values: list[int] = []
        append, decode = values.append, int.from_bytes
        while at < end:
            control = data[at]
            stop = at + 1 + (control & 0x0F)
            if control & 0x70 or stop == at + 1 or stop > at + 9 or stop > end:
                self._at = at
                raise self._damaged("no integer begins here")
            value = decode(data[at + 1 : stop], "little")
            append(-value if control & 0x80 else value)
            at = stop
        self._at = at
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError as error:
            raise self._damaged("an integer exceeds 63 bits") from error

    def end(self) -> None:
        if self._at != len(self._data):
            raise self._damaged(f"{len(self._data) - self._at} bytes follow the end")

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) != size:
            raise self._damaged("the file ends too early")
        self._at += size
        return taken

    def _damaged(self, what: str) -> DamagedFileError:
        return DamagedFileError(f"{self._name}, byte {self._at}: {what}")
