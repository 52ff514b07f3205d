"""Whom to ask next, and that everybody is in a frame once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin import Candidate, Quality
from hub.recognition.chain import each_once, unsure
from hub.recognition.policy import Decision, Gates, Policy, Thresholds, Unknown

POLICY = Policy(Thresholds(0.6, 0.7, 0.05), Gates(min_size=40))


def decided(*candidates: tuple[str, float], size: float = 100) -> Decision:
    (decision,) = POLICY.decide([[Candidate(*one) for one in candidates]], [Quality(size, 100)])
    return decision


@pytest.mark.parametrize(
    ("decision", "asked"),
    [
        (decided(("ada", 0.9)), False),
        (decided(("ada", 0.9), ("bob", 0.88)), True),
        (decided(("ada", 0.59)), True),
        (decided(("ada", 0.5)), True),
        (decided(("ada", 0.49)), False),
        (decided(("ada", 0.2)), False),
        (decided(), False),
        (decided(("ada", 0.59), size=10), False),
    ],
)
def test_unsure_is_nearly_somebody_or_one_of_two(decision: Decision, asked: bool) -> None:
    assert unsure(decision, 0.1) is asked


scores = st.floats(-1, 1, allow_nan=False)


@given(best=scores, reach=st.floats(0, 0.5))
def test_who_is_far_from_everybody_is_nobody_elses_business(best: float, reach: float) -> None:
    assert unsure(decided(("ada", best)), reach) == (best < 0.6 and round(0.6 - best, 6) <= reach)


@given(st.lists(st.tuples(st.sampled_from(["ada", "bob", None]), st.integers(0, 3)), max_size=8))
def test_the_earlier_stage_keeps_the_name(said: list[tuple[str | None, int]]) -> None:
    decisions = [decided((person, 0.9)) if person else decided() for person, _ in said]
    stages = [stage for _, stage in said]
    left = each_once(decisions, stages)
    for person in ("ada", "bob"):
        claims = [stage for (claimed, stage) in said if claimed == person]
        winners = [stages[index] for index, decision in enumerate(left) if decision.person == person]
        assert winners == ([min(claims)] if claims and claims.count(min(claims)) == 1 else [])
    for before, after in zip(decisions, left, strict=True):
        assert after == before or (after.reason is Unknown.TAKEN and not after.alone)
