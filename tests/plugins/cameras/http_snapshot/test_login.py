"""What a server's `WWW-Authenticate` headers offer, however they are put together."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from plugins.cameras.http_snapshot.login import Challenge, challenges

names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True)
values = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), max_size=12)


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


parameters = st.lists(st.builds(lambda name, value: f"{name}={quoted(value)}", names, values), max_size=4)
offers = st.lists(st.tuples(names, parameters), min_size=1, max_size=4)


@settings(deadline=None)
@given(offers, st.data())
@example([("Negotiate", []), ("Basic", ['realm="a, Digest b=c"'])], None)
def test_every_challenge_is_found_in_any_number_of_headers(
    made: list[tuple[str, list[str]]], data: st.DataObject | None
) -> None:
    wanted = [Challenge(scheme.lower(), ", ".join(parts)) for scheme, parts in made]
    written = [f"{scheme} {', '.join(parts)}".strip() for scheme, parts in made]
    assert challenges(written) == wanted
    assert challenges([", ".join(written)]) == wanted
    split = data.draw(st.integers(0, len(written))) if data else 1
    assert challenges([", ".join(written[:split]), " ,, ".join(written[split:])]) == wanted


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), max_size=3))
@example(['"' * 9, "Basic " + '"\\' * 2000])
def test_nonsense_is_no_fault(headers: list[str]) -> None:
    for one in challenges(headers):
        assert one.scheme
        assert isinstance(one.why_not, str)
