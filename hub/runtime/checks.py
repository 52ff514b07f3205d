"""Whether a plugin gave what its role promises. Every check raises Garbage saying what was wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import astuple

import numpy as np

from hub.plugin import Box, Burst, CameraEvent, Candidate, Detections, Face, Frame, Heartbeat, Model, Sight, SingleEvent

LARGEST_NUMBER = 2**63 - 1
"""What a database keeps as an integer."""


class Garbage(Exception):
    """A plugin gave something its role does not allow."""


def check_events(events: object) -> AsyncIterator[object]:
    """`events` itself when it can be iterated."""
    if isinstance(events, AsyncIterator):
        return events
    if asyncio.iscoroutine(events):
        events.close()
    raise Garbage(f"events() gave {_kind(events)} instead of an async iterator")


def check_event(event: object) -> CameraEvent:
    """`event` itself when it is what a camera may yield."""
    if isinstance(event, Burst):
        if not isinstance(event.events, tuple):
            raise Garbage(f"yielded a Burst of {_kind(event.events)} instead of a tuple")
        return Burst(tuple(_check_single(part) for part in event.events))
    return _check_single(event)


def _check_single(event: object) -> SingleEvent:
    if isinstance(event, Heartbeat):
        return event
    if not isinstance(event, Frame | Detections):
        raise Garbage(f"yielded {_kind(event)} instead of a Frame, Heartbeat or Detections")
    for name in ("epoch", "seq"):
        number = getattr(event, name)
        if not isinstance(number, int) or not 0 <= number <= LARGEST_NUMBER:
            raise Garbage(f"yielded a {name} that is not a whole number between 0 and 2**63 - 1")
    if isinstance(event, Frame):
        if not isinstance(event.image, bytes):
            raise Garbage(f"yielded a frame whose image is {_kind(event.image)} instead of bytes")
    else:
        for face in event.faces:
            check_face(face)
    return event


def check_face(face: object, dimension: int | None = None) -> None:
    """Refuses a face whose embedding is not finite float32 of shape (dimension,)."""
    if not isinstance(face, Face):
        raise Garbage(f"gave {_kind(face)} instead of a Face")
    embedding = face.embedding
    if not isinstance(embedding, np.ndarray) or embedding.ndim != 1 or embedding.dtype != np.float32:
        raise Garbage("gave an embedding that is not a float32 array of one dimension")
    if dimension is not None and embedding.shape != (dimension,):
        raise Garbage(f"gave an embedding of {embedding.size} numbers, its model says {dimension}")
    if not np.isfinite(embedding).all():
        raise Garbage("gave an embedding with NaN or infinity")
    if not np.isfinite((face.score, *astuple(face.quality))).all():
        raise Garbage("gave a face whose score or quality is not finite")
    _check_box(face.box)


def check_model(model: object) -> Model:
    if not isinstance(model, Model):
        raise Garbage(f"has {_kind(model)} as its model")
    return model


def check_sights(sights: object, wanted: int, dimension: int) -> None:
    """Refuses anything but a Sight for each of `wanted` pictures."""
    for sight in _list_of(sights, wanted):
        if not isinstance(sight, Sight):
            raise Garbage(f"gave {_kind(sight)} instead of a Sight")
        for face in sight.faces:
            check_face(face, dimension)
        for box in _list_of(sight.too_small):
            _check_box(box)


def check_candidates(crops: object, wanted: int) -> None:
    """Refuses anything but a list of candidates, best first and each person once, for each of `wanted` crops."""
    for candidates in _list_of(crops, wanted):
        scores, people = [], set()
        for candidate in _list_of(candidates):
            if not isinstance(candidate, Candidate):
                raise Garbage(f"gave {_kind(candidate)} instead of a Candidate")
            scores.append(candidate.score)
            people.add(candidate.person)
        if not np.isfinite(scores).all() or scores != sorted(scores, reverse=True):
            raise Garbage("gave candidates that are not best first")
        if len(people) < len(scores):
            raise Garbage("gave a person twice for one face")


def check_refusals(said: object, wanted: int) -> None:
    """Refuses anything but a text for each of `wanted` crops."""
    for text in _list_of(said, wanted):
        check_is(text, str)


def check_is(value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise Garbage(f"gave {_kind(value)} instead of {kind.__name__}")


def _check_box(box: object) -> None:
    if not isinstance(box, Box) or not np.isfinite((box.x, box.y, box.w, box.h)).all():
        raise Garbage("gave a box that is not a Box of finite numbers")


def _list_of(value: object, wanted: int | None = None) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise Garbage(f"gave {_kind(value)} instead of a list")
    if wanted is not None and len(value) != wanted:
        raise Garbage(f"gave {len(value)} results for {wanted} pictures")
    return value


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
