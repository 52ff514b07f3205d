"""The spool: what was put in comes out once, in order, until it is settled; what is given up is said, and how."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.entries import DAMAGED, FULL, LARGE, SETTLED, STILL, UNWRITTEN, Outgoing
from node.segments import Kind
from node.spool import MOST_HELD, Spool
from node.wire import Moment

LARGEST = 10_000_000


def moment(second: float = 0) -> Moment:
    return Moment(1_700_000_000_000_000 + int(second * 1e6), 1 + int(second * 1e6), 7)


def jpeg(number: int, size: int = 100) -> bytes:
    return (b"%d." % number).ljust(size, b"x")


def drained(spool: Spool) -> list[Outgoing]:
    return list(iter(lambda: spool.take(LARGEST), None))


def told(spool: Spool) -> list[tuple[str, int, int]]:
    """Kind, first and last number of all that would be sent."""
    spool.rewind()
    return [(entry.kind.name, entry.number, entry.last) for entry in drained(spool)]


def in_memory() -> Path | None:
    """Where syncing costs nothing."""
    return Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(dir=in_memory()) as folder:
        yield Path(folder) / "spool"


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    made = Spool(folder, 1_000_000)
    yield made
    made.close()


def reopened(folder: Path, limit: int = 1_000_000) -> Spool:
    """As after a power cut: nobody closed it."""
    return Spool(folder, limit)


def test_entries_come_out_in_order_and_stay_until_settled(spool: Spool) -> None:
    spool.frame(moment(0), jpeg(1), moved=True)
    spool.watched(moment(1), lens=0.5)
    spool.frame(moment(2), jpeg(3), moved=False)
    first = drained(spool)
    assert [(e.kind, e.number, e.at, e.jpeg) for e in first] == [
        (Kind.FRAME, 1, moment(0), jpeg(1)),
        (Kind.WATCHED, 2, moment(1), b""),
        (Kind.FRAME, 3, moment(2), jpeg(3)),
    ]
    assert spool.take(LARGEST) is None
    spool.settle(2, 2)
    assert told(spool) == [("FRAME", 1, 1), ("FRAME", 3, 3)]
    spool.settle(1, 3)
    assert told(spool) == []


def test_a_frame_survives_without_an_orderly_end_and_a_mark_after_a_commit(folder: Path, spool: Spool) -> None:
    spool.frame(moment(0), jpeg(1), moved=True)
    spool.watched(moment(1), lens=0.25)
    spool.commit()
    spool.watched(moment(2))
    again = reopened(folder)
    frame, mark, hole = drained(again)
    assert (frame.number, frame.at, frame.jpeg) == (1, moment(0), jpeg(1))
    assert (mark.number, mark.at, mark.lens) == (2, moment(1), 0.25)
    assert (hole.kind, hole.number, hole.last, hole.count, hole.reason) == (Kind.DROPPED, 3, again.last, 0, UNWRITTEN)
    again.frame(moment(3), jpeg(4), moved=True)
    assert again.last > 3, "a number is never given twice"
    again.close()


def test_an_orderly_end_leaves_no_hole(folder: Path) -> None:
    first = Spool(folder, 1_000_000)
    first.frame(moment(), jpeg(1), moved=True)
    first.watched(moment(1))
    first.close()
    second = reopened(folder)
    second.frame(moment(2), jpeg(3), moved=True)
    assert told(second) == [("FRAME", 1, 1), ("WATCHED", 2, 2), ("FRAME", 3, 3)]
    second.close()


def test_nothing_is_written_for_marks_that_the_hub_has(folder: Path, spool: Spool) -> None:
    for second in range(20):
        spool.watched(moment(second))
        drained(spool)
        spool.settle(second + 1, second + 1)
        spool.commit()
    assert spool.report().written == 0
    assert [path.name for path in folder.iterdir()] == ["counters"]


def test_a_picture_leaves_the_card_when_the_hub_has_it(folder: Path, spool: Spool) -> None:
    spool.frame(moment(), jpeg(1), moved=True)
    spool.settle(1, 1)
    spool.commit()
    assert [path.name for path in folder.iterdir()] == ["counters"]


def test_a_full_spool_gives_up_the_oldest_pictures_without_movement_first(folder: Path) -> None:
    spool = Spool(folder, 20_000)
    for number in range(1, 41):
        spool.frame(moment(number), jpeg(number, 1000), moved=number % 4 == 0)
    frames = [entry.number for entry in drained(spool) if entry.kind is Kind.FRAME]
    assert [number for number in frames if number % 4 == 0] == list(range(4, 41, 4))
    still = [number for number in frames if number % 4]
    assert min(still) > 20, "the oldest went"
    assert spool.report().bytes <= 20_000
    assert spool.report().dropped == {STILL: 40 - len(frames)}
    spool.close()


def test_a_lost_movement_withdraws_what_was_said_up_to_the_next_picture(folder: Path) -> None:
    spool = Spool(folder, 8_000)
    spool.watched(moment(0))
    spool.frame(moment(1), jpeg(2, 1500), moved=True)
    spool.watched(moment(2))
    spool.watched(moment(3))
    for number in range(5, 10):
        spool.frame(moment(number), jpeg(number, 1500), moved=True)
    spool.watched(moment(11))
    log = told(spool)
    assert log[0] == ("WATCHED", 1, 1), "what was said before the loss stands"
    assert log[1][:2] == ("DROPPED", 2)
    first_kept = log[1][2] + 1
    assert first_kept >= 5
    assert log[2:] == [("FRAME", n, n) for n in range(first_kept, 10)] + [("WATCHED", 10, 10)]
    spool.rewind()
    gone = next(entry for entry in drained(spool) if entry.kind is Kind.DROPPED)
    assert (gone.count, gone.reason) == (spool.report().dropped[FULL], FULL)
    spool.close()


def test_after_a_loss_at_the_end_nothing_is_claimed_until_the_next_picture(folder: Path) -> None:
    spool = Spool(folder, 1000)
    spool.frame(moment(1), jpeg(1, MOST_HELD + 1), moved=True)  # larger than card and memory take
    spool.watched(moment(2))
    assert told(spool) == [("DROPPED", 1, 1)]
    spool.close()
    spool = reopened(folder)
    spool.watched(moment(3))
    assert told(spool) == [("DROPPED", 1, 1)], "also after a restart"
    spool.frame(moment(4), jpeg(2, 10), moved=False)
    spool.watched(moment(5))
    assert [kind for kind, _, _ in told(spool)] == ["DROPPED", "FRAME", "WATCHED"]
    spool.close()


def test_what_is_being_sent_is_given_up_last(folder: Path) -> None:
    spool = Spool(folder, 10_000)
    for number in range(1, 5):
        spool.frame(moment(number), jpeg(number, 1400), moved=True)
    sending = spool.take(LARGEST)
    assert sending is not None
    assert sending.number == 1
    for number in range(5, 9):
        spool.frame(moment(number), jpeg(number, 1400), moved=True)
    spool.settle(1, 1)
    assert FULL in spool.report().dropped
    assert not any(first <= 1 for _, first, _ in told(spool)), "it was settled, and not given up before"
    spool.close()


def test_a_picture_larger_than_the_hub_takes_is_given_up(spool: Spool) -> None:
    spool.frame(moment(), jpeg(1, 500), moved=True)
    taken = spool.take(largest=499)
    assert taken is not None
    assert (taken.kind, taken.count, taken.reason) == (Kind.DROPPED, 1, LARGE)


def test_a_refused_picture_goes_and_is_counted(spool: Spool) -> None:
    spool.frame(moment(), jpeg(1), moved=True)
    spool.refuse(1, "not a JPEG")
    spool.refuse(9, "no such number")
    assert told(spool) == []
    assert spool.report().dropped == {"refused by the hub: not a JPEG": 1}


def test_a_new_epoch_has_all_that_is_unacknowledged_and_no_holes(spool: Spool) -> None:
    for number in range(1, 7):
        spool.frame(moment(number), jpeg(number), moved=True)
    drained(spool)
    for settled in (1, 2, 4, 6):
        spool.settle(settled, settled)
    before = spool.restart()
    assert before == 2
    assert told(spool) == [("FRAME", 3, 3), ("DROPPED", 4, 4), ("FRAME", 5, 5), ("DROPPED", 6, 6)]
    spool.rewind()
    assert {e.reason for e in drained(spool) if e.kind is Kind.DROPPED} == {SETTLED}
    assert spool.report().dropped == {}
    spool.settle(0, spool.last)
    assert spool.restart() == spool.last


def test_another_hub_gets_nothing_of_the_older_one(folder: Path, spool: Spool) -> None:
    spool.frame(moment(), jpeg(1), moved=True)
    spool.watched(moment(1))
    spool.commit()
    assert spool.clear() == 1
    assert told(spool) == []
    assert [path.name for path in folder.iterdir()] == ["counters"]


class TestDamage:
    def filled(self, folder: Path, frames: int = 6) -> Path:
        """A file with frames 1 to `frames`, closed."""
        spool = Spool(folder, 1_000_000)
        for number in range(1, frames + 1):
            spool.frame(moment(number), jpeg(number), moved=True)
        spool.watched(moment(frames + 1))
        spool.close()
        return next(folder.glob("*-moved.seg"))

    @pytest.mark.parametrize("at", [0, 20, 47, 150])
    def test_a_damaged_header_costs_its_picture_and_no_other(self, folder: Path, at: int) -> None:
        file = self.filled(folder)
        data = bytearray(file.read_bytes())
        data[at] ^= 0xFF
        file.write_bytes(data)
        lost = 1 + at // 148
        spool = reopened(folder)
        assert told(spool) == [("DROPPED" if number == lost else "FRAME", number, number) for number in range(1, 7)] + [
            ("WATCHED", 7, 7)
        ]
        assert spool.report().dropped == {DAMAGED: 1}
        spool.close()
        again = reopened(folder)
        assert again.report().dropped == {DAMAGED: 1}, "counted once"
        again.close()

    def test_a_damaged_picture_is_never_sent(self, folder: Path) -> None:
        file = self.filled(folder, frames=1)
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        spool = reopened(folder)
        (entry,) = drained(spool)
        assert (entry.kind, entry.number, entry.last) == (Kind.DROPPED, 1, 2), "with the mark behind it"
        assert (entry.count, entry.reason) == (1, DAMAGED)
        spool.close()

    @pytest.mark.parametrize("cut", [1, 60, 100, 147, 148])
    def test_a_torn_end_costs_what_was_torn(self, folder: Path, cut: int) -> None:
        file = self.filled(folder)
        file.write_bytes(file.read_bytes()[:-cut])
        spool = reopened(folder)
        frames = [entry.number for entry in drained(spool) if entry.kind is Kind.FRAME]
        assert frames == [1, 2, 3, 4, 5]
        spool.close()

    def test_a_torn_end_is_one_loss_however_often_the_power_goes(self, folder: Path) -> None:
        """Each time numbers that were reserved and not used are missing, too: nobody lost a picture of those."""
        file = self.filled(folder)
        file.write_bytes(file.read_bytes()[:-60])
        for second in range(10, 13):
            spool = reopened(folder)  # and never closed
            spool.frame(moment(second), jpeg(second), moved=False)
            assert spool.report().dropped == {DAMAGED: 1}
            assert sum(entry.count for entry in drained(spool)) == 1
        assert len(file.read_bytes()) == 5 * 148

    def test_an_empty_or_foreign_file_is_no_obstacle(self, folder: Path) -> None:
        self.filled(folder, frames=1)
        (folder / "00000000ffff-moved.seg").write_bytes(b"")
        (folder / "notes.txt").write_text("not of the spool")
        (folder / "x-moved.seg").write_bytes(b"?")
        spool = reopened(folder)
        assert told(spool) == [("FRAME", 1, 1), ("WATCHED", 2, 2)]
        spool.close()

    @pytest.mark.parametrize("slot", [0, 1])
    def test_counters_survive_a_torn_write(self, folder: Path, slot: int) -> None:
        self.filled(folder)
        file = folder / "counters"
        data = bytearray(file.read_bytes())
        data[4096 * slot + 10] ^= 0xFF
        file.write_bytes(data)
        spool = reopened(folder)
        spool.frame(moment(9), jpeg(9), moved=True)
        assert spool.last >= 8
        assert told(spool)[:7] == [*(("FRAME", n, n) for n in range(1, 7)), ("WATCHED", 7, 7)]
        spool.close()

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_whatever_is_damaged_nothing_false_comes_out(self, data: st.DataObject, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.filled(folder)
        for file in sorted(folder.iterdir()):
            content = bytearray(file.read_bytes())
            for _ in range(data.draw(st.integers(0, 3))):
                content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
            file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        spool = reopened(folder)
        log = drained(spool)
        assert all(entry.jpeg == jpeg(entry.number) for entry in log if entry.kind is Kind.FRAME)
        numbers = [(entry.number, entry.last) for entry in log]
        assert all(a[1] < b[0] for a, b in itertools.pairwise(numbers)), "each number once"
        spool.close()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("frame"), st.booleans()),
            st.tuples(st.just("watched"), st.just(False)),
            st.tuples(st.just("take"), st.just(False)),
            st.tuples(st.just("settle"), st.booleans()),
            st.tuples(st.sampled_from(["commit", "rewind", "crash", "close"]), st.just(False)),
        ),
        max_size=60,
    ),
    limit=st.sampled_from([3_000, 20_000]),
)
def test_every_number_is_accounted_for_once(steps: list[tuple[str, bool]], limit: int, folder: Path) -> None:
    """A frame is out there until it is settled or said to be dropped; counts agree; numbers only grow."""
    shutil.rmtree(folder, ignore_errors=True)
    spool = Spool(folder, limit)
    kept: dict[int, bytes] = {}
    settled: set[int] = set()
    out: list[int] = []
    for second, (step, flag) in enumerate(steps, 1):
        if step == "frame":
            before = spool.last
            spool.frame(moment(second), jpeg(second, 300), moved=flag)
            assert spool.last > before
            kept[spool.last] = jpeg(second, 300)
        elif step == "watched":
            spool.watched(moment(second))
        elif step == "take":
            if (taken := spool.take(LARGEST)) is not None:
                out.append(taken.number)
        elif step == "settle" and out:
            number = out.pop(0 if flag else -1)
            spool.settle(number, number)
            settled.add(number)
        elif step == "commit":
            spool.commit()
        elif step == "rewind":
            spool.rewind()
            out.clear()
        elif step in ("crash", "close"):
            if step == "close":
                spool.close()
            before, spool = spool.last, Spool(folder, limit)
            assert spool.last >= before
            out.clear()
    spool.rewind()
    log = drained(spool)
    present = {entry.number: entry.jpeg for entry in log if entry.kind is Kind.FRAME}
    dropped = [range(entry.number, entry.last + 1) for entry in log if entry.kind is Kind.DROPPED]
    for number, data in kept.items():
        told_dropped = any(number in numbers for numbers in dropped)
        assert present.get(number) == data or told_dropped or number in settled
    assert all(present[number] == kept[number] for number in present)
    lost = sum(spool.report().dropped.values())
    assert lost >= sum(entry.count for entry in log)
    assert len(kept) <= len(present) + lost + len(settled)
    losses = False
    for entry in log:
        if entry.kind is Kind.FRAME:
            losses = False
        losses |= entry.reason == FULL
        assert not (losses and entry.kind is Kind.WATCHED), "claims to have watched while it lost a picture"
    spool.close()
