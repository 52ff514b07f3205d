"""So many must name the same person."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.plugin import Candidate, Quality
from hub.recognition.ensemble import agreed, each_once, hopeless
from hub.recognition.models import combined, needed
from hub.recognition.policy import Decision, Policy, Thresholds, Unknown

POLICY = Policy(Thresholds(0.6, 0.7, 0.05))


def said(person: str | None, score: float = 0.9) -> Decision:
    (decision,) = POLICY.decide([[Candidate(person, score)] if person else []], [Quality(100, 100)])
    return decision


def test_enough_name_the_same() -> None:
    found = agreed([said("bob", 0.65), said("ada"), said("ada", 0.65)], 2)
    assert (found.decision.person, found.member, found.votes, found.decision.alone) == ("ada", 1, 2, False)
    assert agreed([said("ada"), said("ada", 0.8)], 2).decision.alone


def test_too_few_and_two_camps_are_nobody() -> None:
    assert agreed([said("ada"), said("bob")], 2).decision.reason is Unknown.NO_AGREEMENT
    assert agreed([said(None), None], 2).decision.reason is Unknown.NOBODY_ENROLLED
    split = agreed([said("ada"), said("bob"), said("ada"), said("bob")], 2)
    assert (split.decision.person, split.decision.alone) == (None, False)


def test_whoever_does_not_see_a_face_has_no_voice() -> None:
    found = agreed([None, said("ada", 0.65), said("ada")], 2)
    assert (found.decision.person, found.member, found.votes) == ("ada", 1, 2)
    found = agreed([None, said(None), said("ada")], 2)
    assert (found.decision.person, found.member) == (None, 1), "it is the decision of whoever saw it"


people = st.sampled_from(["ada", "bob", "cem", None])


@given(st.lists(people, min_size=2, max_size=6), st.data())
def test_a_name_has_its_voices(names: list[str | None], data: st.DataObject) -> None:
    agree = data.draw(st.integers(2, len(names)))
    found = agreed([said(name) for name in names], agree)
    enough = [name for name in {*names} - {None} if names.count(name) >= agree]
    assert found.decision.person == (enough[0] if len(enough) == 1 else None)
    if found.decision.person is not None:
        assert names[found.member] == found.decision.person


@given(st.lists(people | st.just("unseen"), max_size=4), st.lists(people, min_size=1, max_size=4), st.integers(2, 6))
def test_hopeless_is_what_nothing_can_help(before: list[str | None], after: list[str | None], agree: int) -> None:
    heard = [None if name == "unseen" else said(name) for name in before]
    voices = {name: before.count(name) for name in ("ada", "bob", "cem")}
    best = max(voices, key=lambda name: voices[name])
    if hopeless(heard, agree, len(after)):
        assert agreed([*heard, *map(said, after)], agree).decision.person is None
    elif all(voices[name] < agree for name in voices if name != best):
        assert agreed([*heard, *[said(best)] * len(after)], agree).decision.person == best


@given(st.lists(st.tuples(people, people), max_size=6))
def test_everybody_is_in_a_frame_once(faces: list[tuple[str | None, str | None]]) -> None:
    verdicts = [agreed([said(one), said(other)], 2) for one, other in faces]
    named = [d.person for d in each_once(verdicts, [Quality(50 + n, 9) for n in range(len(faces))]) if d.person]
    assert len(named) == len(set(named))
    assert set(named) == {v.decision.person for v in verdicts} - {None}


@given(
    st.lists(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1), min_size=2), st.integers(2, 9)
)
def test_what_looked_can_be_read_again(ids: list[str], agree: int) -> None:
    assert needed(combined(ids, agree)) == (agree, ids)
    assert needed(ids[0]) == (1, [ids[0]])
