"""Faces as bytes and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.detections import Garbled, pack, unpack
from hub.plugin import Box, Detections, Face, Quality
from tests.support.facts import START

numbers = st.floats(allow_nan=False, allow_infinity=False)
faces = st.builds(
    Face,
    st.builds(Box, numbers, numbers, numbers, numbers),
    numbers,
    st.builds(Quality, numbers, numbers, numbers, numbers, numbers),
    st.lists(st.floats(width=32, allow_nan=False), min_size=4, max_size=4).map(lambda v: np.array(v, np.float32)),
)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.lists(faces, max_size=5).map(tuple))
def test_faces_come_back_exactly(model_id: str, found: tuple[Face, ...]) -> None:
    model, back = unpack(pack(Detections(1, 1, START, model_id, found)))
    assert model == model_id
    assert len(back) == len(found)
    for one, other in zip(back, found, strict=True):
        assert (one.box, one.score, one.quality) == (other.box, other.score, other.quality)
        assert one.embedding.dtype == np.float32
        assert np.array_equal(one.embedding, other.embedding)


def test_embeddings_of_one_frame_have_one_shape() -> None:
    face = Face(Box(0, 0, 1, 1), 1.0, Quality(1, 1), np.zeros(3, np.float32))
    other = Face(Box(0, 0, 1, 1), 1.0, Quality(1, 1), np.zeros(4, np.float32))
    with pytest.raises(ValueError, match=r"differ in shape: \[\(3,\), \(4,\)\]"):
        pack(Detections(1, 1, START, "m", (face, other)))


@given(st.binary(max_size=200), st.integers(0, 2000))
def test_garbage_is_refused(noise: bytes, cut: int) -> None:
    whole = pack(Detections(1, 1, START, "m", ()))
    for data in (noise, whole[: min(cut, len(whole) - 1)], b"PK" + noise):
        with pytest.raises(Garbled):
            unpack(data)


def test_no_pickle_is_ever_loaded() -> None:
    import io

    buffer = io.BytesIO()
    np.savez(buffer, model=np.array([{"a": 1}], dtype=object))
    with pytest.raises(Garbled):
        unpack(buffer.getvalue())
