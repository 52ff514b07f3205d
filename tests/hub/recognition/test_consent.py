from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hub.recognition.consent import Consent, ConsentEvent, next_change, spans, standing

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
GRANTED, REFUSED, WITHDRAWN, PENDING = Consent.GRANTED, Consent.REFUSED, Consent.WITHDRAWN, Consent.PENDING


def said(signer: str, state: Consent, days: float, order: int = 0, expires: float | None = None) -> ConsentEvent:
    """`days` and `expires` count from now."""
    expires_at = None if expires is None else NOW + expires * DAY
    return ConsentEvent("ada", signer, state, NOW + days * DAY, order, "v1", expires_at)


def test_nobody_has_consented_who_has_said_nothing() -> None:
    assert standing([], NOW) is PENDING


def test_one_grant_suffices() -> None:
    assert standing([said("mother", GRANTED, -1)], NOW) is GRANTED
    assert standing([said("mother", GRANTED, -1), said("father", PENDING, -1)], NOW) is GRANTED


def test_one_objection_vetoes_whenever_it_was_made() -> None:
    assert standing([said("father", REFUSED, -9), said("mother", GRANTED, -1)], NOW) is REFUSED
    assert standing([said("mother", GRANTED, -9), said("ada", REFUSED, -1)], NOW) is REFUSED
    assert standing([said("mother", GRANTED, -9), said("father", WITHDRAWN, -1)], NOW) is WITHDRAWN


def test_a_signers_latest_word_counts() -> None:
    assert standing([said("mother", GRANTED, -3), said("mother", WITHDRAWN, -2)], NOW) is WITHDRAWN
    assert standing([said("mother", REFUSED, -3), said("mother", GRANTED, -2)], NOW) is GRANTED
    assert standing([said("mother", GRANTED, -3), said("mother", PENDING, -2)], NOW) is PENDING


def test_at_the_same_moment_the_one_that_arrived_later_counts() -> None:
    assert standing([said("mother", GRANTED, -1, 2), said("mother", WITHDRAWN, -1, 1)], NOW) is GRANTED
    assert standing([said("mother", GRANTED, -1, 1), said("mother", WITHDRAWN, -1, 2)], NOW) is WITHDRAWN


def test_a_grant_ends_at_its_expiry() -> None:
    assert standing([said("mother", GRANTED, -9, expires=0.001)], NOW) is GRANTED
    assert standing([said("mother", GRANTED, -9, expires=0)], NOW) is PENDING


def test_an_expired_later_grant_does_not_revive_an_earlier_one() -> None:
    events = [said("mother", GRANTED, -9), said("mother", GRANTED, -5, expires=-1)]
    assert standing(events, NOW) is PENDING


def test_another_signers_grant_survives_an_expiry() -> None:
    assert standing([said("mother", GRANTED, -9, expires=-1), said("father", GRANTED, -9)], NOW) is GRANTED


def test_an_objection_does_not_expire() -> None:
    assert standing([said("father", REFUSED, -9, expires=-1), said("mother", GRANTED, -1)], NOW) is REFUSED


def test_what_is_dated_ahead_does_not_count_yet() -> None:
    events = [said("mother", GRANTED, -1), said("mother", WITHDRAWN, 1)]
    assert standing(events, NOW) is GRANTED
    assert standing(events, NOW + DAY) is WITHDRAWN


def test_an_objection_ends_earlier_grants_even_those_dated_later() -> None:
    ahead = said("mother", GRANTED, days=3, order=1)
    withdrawn = said("mother", WITHDRAWN, days=0, order=2)
    assert [standing([ahead, withdrawn], said("", GRANTED, day).at) for day in (0, 3, 4)] == [WITHDRAWN] * 3
    again = said("mother", GRANTED, days=5, order=3)
    assert standing([ahead, withdrawn, again], again.at) is GRANTED


def test_the_next_change_is_an_expiry_or_an_event_ahead() -> None:
    assert next_change([said("mother", GRANTED, -1)], NOW) is None
    assert next_change([said("mother", GRANTED, -9, expires=0)], NOW) is None
    assert next_change([said("mother", GRANTED, -9, expires=3), said("father", WITHDRAWN, 2)], NOW) == NOW + 2 * DAY


histories = st.lists(
    st.tuples(
        st.sampled_from(["mother", "father", "ada"]),
        st.sampled_from(list(Consent)),
        st.integers(-3, 3),
        st.sampled_from([None, -1, 0, 1]),
    ),
    max_size=8,
).map(lambda rows: [said(who, what, when, order, expires) for order, (who, what, when, expires) in enumerate(rows)])


@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_the_record_does_not_matter(events: list[ConsentEvent], chance: random.Random) -> None:
    assert standing(chance.sample(events, len(events)), NOW) is standing(events, NOW)


@given(histories, st.sampled_from([REFUSED, WITHDRAWN]))
def test_after_a_new_signers_objection_nothing_stands(events: list[ConsentEvent], objection: Consent) -> None:
    assert standing([*events, said("guardian", objection, 0, 99)], NOW) in (REFUSED, WITHDRAWN)


@given(histories)
def test_nothing_changes_before_the_next_change(events: list[ConsentEvent]) -> None:
    change = next_change(events, NOW)
    for hours in range(0, 100, 6):
        later = NOW + timedelta(hours=hours)
        if change is None or later < change:
            assert standing(events, later) is standing(events, NOW)


@given(histories)
def test_spans_are_when_consent_stands(events: list[ConsentEvent]) -> None:
    found = spans(events)
    for hours in range(-100, 100, 6):
        moment = NOW + timedelta(hours=hours)
        within = any(since <= moment and (until is None or moment < until) for since, until in found)
        assert within is (standing(events, moment) is GRANTED)
