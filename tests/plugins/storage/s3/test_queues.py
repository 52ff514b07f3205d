"""In which order keys are tried that the server refuses, and how often."""

from __future__ import annotations

from plugins.storage.s3.queues import KNOCK, MANY, Queue
from plugins.storage.s3.spool import lock_of


def refused(queue: Queue, now: float, count: int = MANY) -> list[str]:
    """So many keys that were refused at `now`, one after the other."""
    keys = [f"refused/{number}" for number in range(count)]
    for key in keys:
        queue.add(key, 0.0)
        assert queue.take(now, set()) == key
        queue.refuse(key, "no", now + 600)
    return keys


def test_one_that_is_refused_comes_after_all_others_and_when_its_time_has_come() -> None:
    queue = Queue()
    refused(queue, 0.0, count=1)
    queue.add("new", 1.0)
    assert queue.take(600.0, set()) == "new"
    assert queue.take(599.0, set()) is None
    assert queue.take(600.0, set()) == "refused/0"
    assert list(queue.whys) == ["no"], "it still holds, until it is known to be over"
    assert queue.take(600.0, queue.locks) is None


def test_after_many_refusals_in_a_row_one_is_tried_now_and_then() -> None:
    queue = Queue()
    refused(queue, 0.0)
    queue.add("new", 1.0)
    assert not queue.hurries
    assert queue.take(KNOCK - 1, set()) is None
    assert queue.take(KNOCK, set()) == "new"
    assert queue.take(KNOCK, set()) is None, "while the knock is under way"
    queue.refuse("new", "no", KNOCK + 600)
    assert queue.take(2 * KNOCK, set()) == "refused/0"


def test_once_one_is_taken_all_that_were_refused_in_the_row_are_due() -> None:
    queue = Queue()
    queue.add("long ago", 0.0)
    queue.take(0.0, set())
    queue.refuse("long ago", "too large", 600.0)
    queue.works()
    keys = refused(queue, 1.0)
    queue.add("new", 1.0)
    assert queue.take(KNOCK + 1, set()) == "new"
    queue.end("new")
    queue.works()
    held: set[str] = set()
    tried = []
    while (key := queue.take(KNOCK + 1, held)) is not None:
        tried.append(key)
        held.add(lock_of(key))
    assert tried == keys


def test_what_is_put_again_while_it_is_tried_is_not_refused_for_what_it_was() -> None:
    queue = Queue()
    queue.add("a", 5.0)
    queue.take(0.0, set())
    queue.add("a", 7.0)
    queue.refuse("a", "no", 600.0)
    assert queue.take(0.0, set()) == "a"
    assert list(queue.whys) == []
    queue.wait("a", 3.0)
    assert queue.take(2.0, set()) is None
    assert queue.since == {"a": 7.0}
    assert queue.take(3.0, set()) == "a"
    queue.end("a")
    assert "a" not in queue
    assert not queue
