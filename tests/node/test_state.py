"""What a node writes down of itself."""

from __future__ import annotations

from pathlib import Path

from node.state import OLDER, State
from node.wire import Invitation


def paired(folder: Path) -> State:
    state = State(folder / "identity.json")
    state.invite(Invitation("127.0.0.1", 8124, bytes(16), bytes(32), b"n" * 32))
    state.accepted("n-1", 1, 0, bytes(32), None)
    return state


def test_a_month_of_credentials_is_kept_for_its_owner_alone(folder: Path) -> None:
    state = paired(folder)
    assert state.paired is not None
    made = [state.paired.credential]
    for _ in range(OLDER + 9):
        made.append(state.offer())
        state.used(made[-1])
    known = State(folder / "identity.json").paired
    assert known is not None
    assert known.credentials == tuple(made[: -OLDER - 2 : -1])
    assert not any(repr(secret) in repr(known) for secret in made)
    assert (folder / "identity.json").stat().st_mode & 0o777 == 0o600
    assert (folder / "identity.json").stat().st_size < 4096
