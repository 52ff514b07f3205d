from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.attendance.records import Observation, Rules
from hub.attendance.sightings import sightings
from tests.support.school import at, saw

RULES = Rules()


def test_a_person_at_a_camera_for_a_while_is_one_sighting() -> None:
    (sighting,) = sightings([saw("ada", f"09:0{n}:00", score=0.6 + n / 100) for n in range(4)], RULES)
    assert (sighting.first, sighting.last, sighting.count) == (at("09:00"), at("09:03"), 4)
    assert sighting.best_score == pytest.approx(0.63)


def test_a_longer_gap_makes_two_and_the_bound_itself_does_not() -> None:
    assert len(sightings([saw("ada", "09:00:00"), saw("ada", "09:02:00")], RULES)) == 1
    assert len(sightings([saw("ada", "09:00:00"), saw("ada", "09:02:01")], RULES)) == 2


def test_people_and_cameras_are_apart() -> None:
    facts = [saw("ada", "09:00"), saw("bob", "09:00"), saw("ada", "09:00", "back-101")]
    assert len(sightings(facts, RULES)) == 3


def test_one_weak_frame_is_uncertain_two_agree() -> None:
    weak = [saw("ada", "09:00:00", alone=False), saw("ada", "09:00:15", alone=False)]
    assert not sightings(weak[:1], RULES)[0].confirmed
    assert sightings(weak, RULES)[0].confirmed


def test_one_frame_suffices_alone() -> None:
    assert sightings([saw("ada", "09:00", alone=True)], RULES)[0].confirmed


def test_the_same_frame_counted_twice_confirms_nothing() -> None:
    weak = saw("ada", "09:00", alone=False)
    assert not sightings([weak, weak], RULES)[0].confirmed
    assert not sightings([weak, replace(weak, id="another face of the same instant")], RULES)[0].confirmed


def test_the_crop_is_the_best_observations_that_has_one() -> None:
    facts = [
        saw("ada", "09:00:00", score=0.7, crop="good"),
        saw("ada", "09:00:15", score=0.9),
        saw("ada", "09:00:30", score=0.6, crop="poor"),
    ]
    (sighting,) = sightings(facts, RULES)
    assert (sighting.crop, sighting.best_score) == ("good", 0.9)


def test_an_unknown_face_is_no_observation() -> None:
    with pytest.raises(ValueError, match="of nobody"):
        saw("", "09:00")


def test_only_utc_and_only_numbers() -> None:
    with pytest.raises(ValueError, match="not an aware UTC"):
        Observation(datetime(2026, 11, 23, 9), "c", "ada", "1", 0.7, True)  # noqa: DTZ001
    with pytest.raises(ValueError, match="not a number"):
        Observation(datetime(2026, 11, 23, 9, tzinfo=UTC), "c", "ada", "1", float("nan"), True)


facts = st.lists(
    st.builds(
        Observation,
        st.integers(0, 900).map(lambda s: at("09:00") + timedelta(seconds=s)),
        st.sampled_from(["door", "back"]),
        st.sampled_from(["ada", "bob"]),
        st.uuids().map(str),
        st.sampled_from([0.5, 0.6, 0.7]),
        st.booleans(),
        st.sampled_from([None, "a", "b"]),
    ),
    max_size=20,
)


@given(facts, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_matters(given: list[Observation], random: object) -> None:
    shuffled = given + given[: len(given) // 2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sightings(shuffled, RULES) == sightings(given, RULES)


@given(facts)
def test_every_observation_is_in_exactly_one_sighting(given: list[Observation]) -> None:
    found = sightings(given, RULES)
    assert sum(sighting.count for sighting in found) == len(given)
    for observation in given:
        homes = [
            s
            for s in found
            if (s.camera, s.person) == (observation.camera, observation.person)
            and s.first <= observation.captured_at <= s.last
        ]
        assert len(homes) == 1


@given(facts)
def test_an_id_with_two_contents_counts_once_whatever_the_order(given: list[Observation]) -> None:
    same = [replace(observation, id="one") for observation in given]
    assert sightings(same, RULES) == sightings(same[::-1], RULES)
    assert sum(s.count for s in sightings(same, RULES)) == min(1, len(given))
