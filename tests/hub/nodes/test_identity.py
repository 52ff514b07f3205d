"""The hub's keys for nodes: made once, kept from others' eyes, exchanged without a moment in which there is none."""

from __future__ import annotations

import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hub.failure import Failure
from hub.nodes.identity import NEXT, NEXT_PIN, PRESENT, Identity, kept, open_identity, outlives, switch


def test_keys_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    first = open_identity(tmp_path)
    assert open_identity(tmp_path) == first
    assert first.pin != first.backup
    assert len(first.pin) == len(first.backup) == 32
    assert stat.S_IMODE((tmp_path / "nodes").stat().st_mode) == 0o700
    for file in (tmp_path / "nodes").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.tls().minimum_version == ssl.TLSVersion.TLSv1_2


def test_two_who_make_them_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: open_identity(tmp_path), range(8)))
    assert found == {open_identity(tmp_path)}


def test_the_next_key_becomes_the_present_one(tmp_path: Path) -> None:
    before = open_identity(tmp_path)
    after = switch(tmp_path)
    assert after.pin == before.backup
    assert after.backup not in (before.pin, before.backup)
    assert open_identity(tmp_path) == after


def test_a_switch_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    before = open_identity(tmp_path)
    (tmp_path / "nodes" / NEXT).replace(tmp_path / "nodes" / PRESENT)  # the power went here
    after = open_identity(tmp_path)
    assert after.pin == before.backup
    assert after.backup not in (before.pin, before.backup)


def test_the_next_key_may_lie_in_a_safe(tmp_path: Path) -> None:
    before = open_identity(tmp_path)
    spare, safe = tmp_path / "nodes" / NEXT, tmp_path / "safe.pem"
    spare.rename(safe)
    assert open_identity(tmp_path) == before
    with pytest.raises(Failure, match="put it back"):
        switch(tmp_path)
    open_identity(other := tmp_path / "other")
    spare.write_bytes((other / "nodes" / NEXT).read_bytes())
    with pytest.raises(Failure, match="not the key that nodes expect"):
        switch(tmp_path)
    spare.write_bytes(safe.read_bytes())
    assert switch(tmp_path).pin == before.backup


@pytest.mark.parametrize("switches", [0, 1, 2, 3])
def test_a_restore_goes_back_to_no_key_that_was_given_up(switches: int, tmp_path: Path) -> None:
    open_identity(tmp_path)
    backup = tmp_path / "backup"
    backup.mkdir()
    for name, content in kept(tmp_path).items():
        (backup / name).write_bytes(content)
    for _ in range(switches):
        switch(tmp_path)
    assert outlives(tmp_path / "nodes", backup)
    open_identity(tmp_path / "another school")
    assert not outlives(tmp_path / "another school" / "nodes", backup)
    assert not outlives(tmp_path / "nowhere", backup)
    assert outlives(tmp_path / "nodes", tmp_path / "an older backup, without keys")


@pytest.mark.parametrize(("file", "content"), [(PRESENT, b"nothing"), (NEXT_PIN, b"nothing")])
def test_what_is_no_key_is_said(file: str, content: bytes, tmp_path: Path) -> None:
    open_identity(tmp_path)
    (tmp_path / "nodes" / file).write_bytes(content)
    with pytest.raises(Failure, match="cannot be used"):
        open_identity(tmp_path)


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "nodes").write_text("a file")
    with pytest.raises(Failure, match="cannot be used"):
        open_identity(tmp_path)
    with pytest.raises(Failure, match="cannot be used"):
        Identity(tmp_path, b"", b"").tls()
