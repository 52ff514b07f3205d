"""From observations to sightings: one person at one camera over a short span."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter

from .records import Observation, Rules, Sighting


def sightings(observations: Iterable[Observation], rules: Rules) -> list[Sighting]:
    """By time, camera and person. The order of `observations` does not matter; one given twice (same id) counts once.

    Observations of a person at a camera no further apart than `rules.sighting_gap` are one sighting. It is
    confirmed when one of them sufficed alone, or when `rules.frames_to_confirm` different frames (different
    capture times) agreed. Scores are told to two decimals, because what lies below differs between runs
    of one network on one picture in batches of different sizes.
    """
    once: dict[str, Observation] = {}
    for observation in observations:
        other = once.setdefault(observation.id, observation)
        if other is not observation and _content(observation) < _content(other):
            once[observation.id] = observation
    ordered = sorted(once.values(), key=attrgetter("camera", "person", "captured_at", "id"))
    found = [
        _sighting(span, rules)
        for _, group in groupby(ordered, key=attrgetter("camera", "person"))
        for span in _spans(group, rules)
    ]
    return sorted(found, key=attrgetter("first", "camera", "person"))


def _content(observation: Observation) -> tuple[object, ...]:
    o = observation
    return (o.captured_at, o.camera, o.person, o.score, o.alone, o.crop or "")


def _spans(observations: Iterable[Observation], rules: Rules) -> list[list[Observation]]:
    spans: list[list[Observation]] = []
    for observation in observations:
        if spans and observation.captured_at - spans[-1][-1].captured_at <= rules.sighting_gap:
            spans[-1].append(observation)
        else:
            spans.append([observation])
    return spans


def _sighting(span: Sequence[Observation], rules: Rules) -> Sighting:
    first, last = span[0], span[-1]
    best = first if first is last else max(span, key=lambda o: (o.crop is not None, round(o.score, 2)))
    return Sighting(
        first=first.captured_at,
        last=last.captured_at,
        camera=first.camera,
        person=first.person,
        count=len(span),
        best_score=round(max(o.score for o in span), 2),
        confirmed=any(o.alone for o in span) or len({o.captured_at for o in span}) >= rules.frames_to_confirm,
        crop=best.crop,
    )
