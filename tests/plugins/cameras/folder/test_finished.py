"""The note of finished videos survives whatever happens to its file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from plugins.cameras.folder.finished import Finished

NUMBERS = st.integers(0, 2**63 - 1)


def loaded(path: Path) -> Finished:
    finished = Finished(path)
    finished.load()
    return finished


def test_nothing_yet(tmp_path: Path) -> None:
    assert loaded(tmp_path / "finished").last(1) is None


def test_remembered_across_restarts(tmp_path: Path) -> None:
    loaded(tmp_path / "finished").add(1, 2)
    again = loaded(tmp_path / "finished")
    again.add(3, 4)
    again.add(3, 4)
    again.add(1, 5)
    assert [loaded(tmp_path / "finished").last(key) for key in (1, 3)] == [5, 4]


@given(torn=st.binary(max_size=80), entries=st.dictionaries(NUMBERS, NUMBERS, max_size=4))
def test_a_torn_end_costs_only_itself(torn: bytes, entries: dict[int, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "finished"
        path.write_bytes(torn)
        first = loaded(path)
        for key, last in entries.items():
            first.add(key, last)
        again = loaded(path)
        assert {key: again.last(key) for key in entries} == entries
