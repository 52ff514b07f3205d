"""Who belongs to a lecture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .records import Lecture


@dataclass(frozen=True, slots=True, order=True)
class Person:
    """Somebody attendance is taken of. An empty `class_name` is somebody without a class.

    `recognisable` says that the gallery held a template of this person, by standing consent, when the day's
    frames were recognised: nobody else can be called absent by a camera.
    """

    id: str
    class_name: str = ""
    recognisable: bool = True


def rosters(lectures: Iterable[Lecture], people: Iterable[Person]) -> dict[str, list[Person]]:
    """By lecture id, the people of each lecture's class, in order of id, each once.

    People without a class belong to every lecture: a school that enrols from a folder has no classes yet.
    This is the one place to change when dated enrollments come.
    """
    classes: dict[str, dict[str, Person]] = {"": {}}
    for person in sorted(people):
        classes.setdefault(person.class_name, {})[person.id] = person
    belonging = {}
    for lecture in lectures:
        found = classes[""] | classes.get(lecture.class_name, {})
        belonging[lecture.id] = [found[person] for person in sorted(found)]
    return belonging
