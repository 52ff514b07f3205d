from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin import Candidate, Quality
from hub.recognition.policy import Decision, Gates, Policy, Thresholds, Unknown

THRESHOLDS = Thresholds(threshold=0.6, single_frame=0.7, margin=0.05)
POLICY = Policy(THRESHOLDS, Gates(min_size=40, min_sharpness=10, max_turn=45))
GOOD = Quality(size=100, sharpness=50)


def face(*near: tuple[str, float]) -> list[Candidate]:
    return [Candidate(person, score) for person, score in near]


def one(*near: tuple[str, float], quality: Quality = GOOD) -> Decision:
    (decision,) = POLICY.decide([face(*near)], [quality])
    return decision


def test_close_and_ahead_is_named() -> None:
    decision = one(("ada", 0.65), ("bob", 0.3))
    assert (decision.person, decision.score, decision.margin, decision.reason) == ("ada", 0.65, 0.35, None)
    assert decision.threshold == 0.6


def test_there_is_no_dead_band_at_the_threshold() -> None:
    assert one(("ada", 0.6)).person == "ada"
    assert one(("ada", 0.5999)).reason is Unknown.NOT_CLOSE


def test_the_nearest_is_not_named_for_being_nearest() -> None:
    decision = one(("ada", 0.59), ("bob", 0.1))
    assert (decision.person, decision.score) == (None, 0.59)


def test_two_about_equally_close_are_nobody() -> None:
    assert one(("ada", 0.9), ("twin", 0.86)).reason is Unknown.TWO_CLOSE
    assert one(("ada", 0.9), ("twin", 0.85)).person == "ada"
    assert one(("ada", 0.6), ("twin", 0.55)).person == "ada"


def test_the_only_person_enrolled_needs_no_margin() -> None:
    decision = one(("ada", 0.65))
    assert (decision.person, decision.margin) == ("ada", None)


def test_nobody_enrolled() -> None:
    decision = one()
    assert (decision.person, decision.score, decision.reason) == (None, None, Unknown.NOBODY_ENROLLED)


def test_one_frame_suffices_only_at_the_stricter_threshold() -> None:
    assert not one(("ada", 0.6999)).alone
    assert one(("ada", 0.7)).alone
    assert not one(("ada", 0.7), ("twin", 0.69)).alone


@pytest.mark.parametrize(
    ("quality", "reason"),
    [
        (replace(GOOD, size=39.9), Unknown.TOO_SMALL),
        (replace(GOOD, sharpness=9.9), Unknown.BLURRED),
        (replace(GOOD, yaw=-46), Unknown.TURNED_AWAY),
        (replace(GOOD, pitch=46), Unknown.TURNED_AWAY),
        (replace(GOOD, size=float("nan")), Unknown.TOO_SMALL),
        (replace(GOOD, yaw=45, roll=170), None),
    ],
)
def test_poor_faces_are_nobody(quality: Quality, reason: Unknown | None) -> None:
    assert one(("ada", 0.9), quality=quality).reason is reason


def test_what_was_nearly_said_is_kept() -> None:
    near = [("ada", 0.4), ("bob", 0.3), ("cem", 0.2), ("dee", 0.1)]
    assert [candidate.person for candidate in one(*near).candidates] == ["ada", "bob", "cem"]


def test_a_person_is_once_in_a_frame_and_nobody_falls_through_to_second_best() -> None:
    faces = [face(("ada", 0.8), ("bob", 0.7)), face(("ada", 0.9), ("bob", 0.1))]
    loser, winner = POLICY.decide(faces, [GOOD, GOOD])
    assert (winner.person, loser.person, loser.reason, loser.alone) == ("ada", None, Unknown.TAKEN, False)
    assert loser.score == 0.8


def test_equal_scores_go_to_the_larger_face_and_else_to_none() -> None:
    faces = [face(("ada", 0.8))] * 2
    small, large = POLICY.decide(faces, [GOOD, replace(GOOD, size=120)])
    assert (small.person, large.person) == (None, "ada")
    assert [decision.person for decision in POLICY.decide(faces, [GOOD, GOOD])] == [None, None]


def test_a_face_that_fails_takes_nobody_away() -> None:
    faces = [face(("ada", 0.9), ("twin", 0.89)), face(("ada", 0.65), ("twin", 0.3))]
    assert [decision.person for decision in POLICY.decide(faces, [GOOD, GOOD])] == [None, "ada"]


def test_a_damaged_score_is_nobody() -> None:
    assert one(("ada", float("nan")), ("bob", 0.9)).person is None


def test_the_version_follows_the_parameters() -> None:
    same = Policy(Thresholds(0.6, 0.7, 0.05), Gates(40, 10, 45))
    stricter = Policy(replace(THRESHOLDS, margin=0.06), POLICY.gates)
    blurrier = Policy(THRESHOLDS, replace(POLICY.gates, min_sharpness=5))
    assert POLICY.version == same.version
    assert len({POLICY.version, stricter.version, blurrier.version}) == 3


score = st.integers(0, 100).map(lambda n: n / 100)
people = st.sampled_from(["ada", "bob", "cem", "dee"])
near = st.dictionaries(people, score, max_size=4).map(
    lambda found: [Candidate(person, s) for person, s in sorted(found.items(), key=lambda item: (-item[1], item[0]))]
)
quality = st.builds(Quality, st.sampled_from([30, 100, 120]), st.sampled_from([5, 50]))
frames = st.lists(st.tuples(near, quality), max_size=6)
Frame = list[tuple[list[Candidate], Quality]]


def decided(frame: Frame, policy: Policy = POLICY) -> list[Decision]:
    return policy.decide([candidates for candidates, _ in frame], [quality for _, quality in frame])


@given(frames)
def test_one_to_one(frame: Frame) -> None:
    named = [decision.person for decision in decided(frame) if decision.person]
    assert len(named) == len(set(named))


@given(frames)
def test_named_means_close_ahead_and_good(frame: Frame) -> None:
    for decision, (candidates, quality) in zip(decided(frame), frame, strict=True):
        assert (decision.person is None) == (decision.reason is not None)
        if decision.person:
            assert decision.person == candidates[0].person
            assert candidates[0].score >= 0.6
            assert len(candidates) < 2 or candidates[0].score - candidates[1].score >= 0.05 - 1e-9
            assert quality.size >= 40
        assert not decision.alone or (decision.person and candidates[0].score >= 0.7)


@given(frames, score, score)
def test_a_higher_threshold_names_nobody_more(frame: Frame, one_threshold: float, other: float) -> None:
    low, high = sorted([one_threshold, other])
    lenient = decided(frame, Policy(replace(THRESHOLDS, threshold=low), POLICY.gates))
    strict = decided(frame, Policy(replace(THRESHOLDS, threshold=high), POLICY.gates))
    for before, after in zip(lenient, strict, strict=True):
        assert after.person in (None, before.person)


@given(frames, st.data())
def test_the_order_of_faces_does_not_matter(frame: Frame, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(frame))))
    straight = decided(frame)
    assert decided([frame[index] for index in order]) == [straight[index] for index in order]
