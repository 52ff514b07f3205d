"""Dataclasses as schema, parser and JSON: the three agree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.web.api.shapes import Between, Text, Unfit, member_schema, members, parse, schema, to_json

T = TypeVar("T")


class Colour(StrEnum):
    RED = "red"
    BLUE = "deep blue"


@dataclass(frozen=True, slots=True)
class Query:
    limit: Annotated[int, Between(1, 500), "How many."] = 100
    class_: Annotated[str | None, Text(10), "A class."] = None
    colour: Annotated[Colour | None, "A colour."] = None
    key: Annotated[str | None, Text(8, r"[!-~]+"), "Printable ASCII."] = None
    date: Annotated[date | None, "A day."] = None
    since: Annotated[datetime | None, "A moment."] = None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A thing."""

    id: str
    at: datetime | None
    class_: str | None
    colour: Colour


@dataclass(frozen=True, slots=True)
class Box(Generic[T]):
    """Holds things."""

    items: tuple[T, ...]


def parsed(**given: str) -> Query:
    return parse(Query, given.items(), what="query parameter")


def test_values_become_what_their_types_say() -> None:
    found = parsed(
        limit="7",
        date="2026-11-16",
        since="2026-11-16T09:00:00+01:00",
        colour="deep blue",
        exact="true",
        **{"class": "10A"},
    )
    assert found == Query(
        limit=7,
        class_="10A",
        colour=Colour.BLUE,
        date=date(2026, 11, 16),
        since=datetime(2026, 11, 16, 8, tzinfo=UTC),
        exact=True,
    )
    assert parsed() == Query()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"limt": "7"}, "there is no query parameter 'limt'; do you mean limit?"),
        ({"zzzzzz": "7"}, "there is no query parameter 'zzzzzz'; there are limit, class, colour"),
        ({"class_": "7"}, "there is no query parameter 'class_'; do you mean class?"),
        ({"limit": "0"}, "the query parameter limit is not a whole number from 1 to 500"),
        ({"limit": "1e2"}, "not a whole number"),
        ({"limit": "٣"}, "not a whole number"),
        ({"limit": " 7"}, "not a whole number"),
        ({"limit": "9" * 30}, "not a whole number"),
        ({"colour": "green"}, "the query parameter colour is none of red, deep blue"),
        ({"class": ""}, "the query parameter class is not 1 to 10 characters long"),
        ({"class": "x" * 11}, "not 1 to 10 characters long"),
        ({"class": "a\0"}, "not text"),
        ({"class": "\udcff"}, "not text"),
        ({"key": "a b"}, "not as it should be: Printable ASCII."),
        ({"date": "20261116"}, "the query parameter date is not a date; write for example 2026-11-16"),
        ({"date": "2026-02-30"}, "not a date"),
        ({"date": "0001-01-01"}, "not between 1900-01-01 and 2199-12-31"),
        ({"since": "2026-11-16T09:00:00"}, "a time without a zone; write it with its zone"),
        ({"since": "yesterday"}, "not a time"),
        ({"since": "0001-01-01T00:00:00+23:00"}, "not between"),
        ({"exact": "yes"}, "neither true nor false"),
    ],
)
def test_what_does_not_fit_is_said(given: dict[str, str], said: str) -> None:
    with pytest.raises(Unfit) as problem:
        parsed(**given)
    assert said in str(problem.value)


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(Unfit, match="the query parameter limit is given twice"):
        parse(Query, [("limit", "1"), ("limit", "2")], what="query parameter")


def takes(name: str, value: Any) -> bool:
    part = next(part for part in members(Query) if part.name == name)
    components: dict[str, Any] = {}
    found = member_schema(part, components)
    validator = jsonschema.Draft202012Validator({**found, "components": {"schemas": components}})
    return bool(validator.is_valid(value))


def reads(name: str, text: str) -> bool:
    try:
        parsed(**{name: text})
    except Unfit:
        return False
    return True


@given(st.integers(-1000, 1000) | st.integers())
def test_integers_are_taken_as_the_schema_says(value: int) -> None:
    assert reads("limit", str(value)) == takes("limit", value)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12))
def test_texts_are_taken_as_the_schema_says(text: str) -> None:
    for name in ("class", "colour", "key"):
        assert reads(name, text) == takes(name, text)


@given(st.text(max_size=30))
def test_anything_parses_or_is_unfit(text: str) -> None:
    for name in ("limit", "class", "colour", "key", "date", "since", "exact", text):
        reads(name, text)


def test_the_schema_of_a_record() -> None:
    components: dict[str, Any] = {}
    assert schema(Box[Item], components) == {"$ref": "#/components/schemas/ItemBox"}
    assert components["ItemBox"]["properties"]["items"]["items"] == {"$ref": "#/components/schemas/Item"}
    item = components["Item"]
    assert item["description"] == "A thing."
    assert item["required"] == ["id", "at", "class", "colour"]
    assert item["properties"]["at"] == {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}


@given(
    st.builds(
        Item,
        id=st.text(st.characters(codec="utf-8")),
        at=st.none() | st.datetimes(timezones=st.just(UTC)),
        class_=st.none() | st.text(st.characters(codec="utf-8")),
        colour=st.sampled_from(Colour),
    )
)
def test_what_is_given_fits_its_schema(item: Item) -> None:
    components: dict[str, Any] = {}
    found = schema(Box[Item], components)
    value = json.loads(to_json(Box((item,))))
    checker = jsonschema.FormatChecker()
    jsonschema.validate({**value}, {**found, "components": {"schemas": components}}, format_checker=checker)
    assert value["items"][0]["class"] == item.class_


def test_a_name_that_is_not_text_does_not_break_the_answer() -> None:
    assert json.loads(to_json({"origin": "\udcff"})) == {"origin": "?"}
