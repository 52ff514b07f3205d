"""What is written in dlib's format is read back; what is damaged says so and nothing else."""

from __future__ import annotations

import contextlib
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.recognizers.onnx_local.dlib.serialized import DamagedFileError, Reader


def integer(value: int) -> bytes:
    body = abs(value).to_bytes(max((abs(value).bit_length() + 7) // 8, 1), "little")
    return bytes([len(body) | (0x80 if value < 0 else 0)]) + body


def real(value: float) -> bytes:
    mantissa, exponent = math.frexp(value)
    return integer(int(mantissa * 2**53)) + integer(exponent - 53)


int64 = st.integers(-(2**63) + 1, 2**63 - 1)


@given(st.lists(int64))
def test_integers_come_back(values: list[int]) -> None:
    data = b"".join(map(integer, values))
    reader = Reader(data, "file")
    assert [reader.integer() for _ in values] == values
    reader.end()
    assert Reader(data, "file").rest_as_integers().tolist() == values


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_reals_come_back(value: float) -> None:
    assert Reader(real(value), "file").real() == value


@pytest.mark.parametrize(("exponent", "value"), [(32000, math.inf), (32001, -math.inf)])
def test_infinities_have_exponents_of_their_own(exponent: int, value: float) -> None:
    assert Reader(integer(0) + integer(exponent), "file").real() == value


@pytest.mark.parametrize(("mantissa", "exponent"), [(1, 1024), (2**53 - 1, 972), (-1, 1999), (1, 31999), (1, -2001)])
def test_what_is_no_double_is_refused(mantissa: int, exponent: int) -> None:
    with pytest.raises(DamagedFileError, match="is no exponent"):
        Reader(integer(mantissa) + integer(exponent), "file").real()


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=50))
def test_names_come_back(value: str) -> None:
    assert Reader(integer(len(value)) + value.encode(), "file").text() == value


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=24))
def test_tensors_come_back(values: list[float]) -> None:
    header = b"".join(map(integer, (2, 1, len(values), 1, 1)))
    tensor = Reader(header + struct.pack(f"<{len(values)}f", *values), "file").tensor()
    assert tensor.shape == (1, len(values), 1, 1)
    assert np.array_equal(tensor.ravel(), np.array(values, np.float32))


@given(st.binary(max_size=60), st.sampled_from(["integer", "real", "text", "boolean", "tensor", "rest_as_integers"]))
def test_any_bytes_are_read_or_refused(data: bytes, method: str) -> None:
    with contextlib.suppress(DamagedFileError):
        getattr(Reader(data, "file"), method)()


def test_a_message_says_file_place_and_fact() -> None:
    reader = Reader(integer(7) + integer(5) + b"relu_", "the face detector")
    reader.expect(7)
    with pytest.raises(DamagedFileError, match=r"^the face detector, byte 9: 'relu_' where 'con_4' belongs$"):
        reader.expect("con_4")
    with pytest.raises(DamagedFileError, match="the file ends too early"):
        reader.integer()
    with pytest.raises(DamagedFileError, match="1 bytes follow the end"):
        Reader(b"x", "file").end()
