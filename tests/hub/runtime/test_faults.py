"""How a plugin's exceptions are said."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.plugin import NeedsHuman, NotReady, Permanent
from hub.runtime.faults import PluginFault, meaning, summary


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (ValueError("first\nsecond"), "ValueError: first"),
        (OSError(13, "Permission denied", "/photos/anna.jpg"), "PermissionError: Permission denied"),
        (TimeoutError(), "TimeoutError"),
        (
            RuntimeError("no answer from rtsp://admin:pw@10.0.0.2/1"),
            "RuntimeError: no answer from rtsp://***@10.0.0.2/1",
        ),
        (
            ValueError("'http://admin:p@ss@cam/x' and http://cam/x.jpg?user=admin&password=hunter2 failed?"),
            "ValueError: 'http://***@cam/x' and http://cam/x.jpg?*** failed?",
        ),
        (ValueError("http://admin:p/ss@cam: no"), "ValueError: http://*** no"),
        (ValueError("look at password=hunter2, a=b"), "ValueError: look at password=*** a=b"),
        (ValueError("x" * 999), "ValueError: " + "x" * 200),
    ],
)
def test_a_summary_is_one_line_without_secrets_or_file_names(error: Exception, line: str) -> None:
    assert summary(error) == line
    placed = summary(raised(error))
    assert placed.startswith(f"{line} (test_faults.py, line ")


SHAPES = (
    "http://{user}:{password}@cam/x.jpg",
    "'rtsps://:{password}@[fe80::1]:322/live?channel=1',",
    "(//{user}:{password}@cam)",
    "{user}:{password}@cam:554",
    "http://cam/x.jpg?user={user}&password={password}",
    "http://cam/x.jpg?pwd={password}&user={user}@school",
    "http://cam/user={user}&password={password}&channel=1",
    "/cgi-bin/x.cgi?password={password}",
    "https://cam/x#token={password}",
    "postgresql+asyncpg://{user}:{password}@db/fras",
    "secret_key={password}",
)


@settings(deadline=None)
@given(
    st.sampled_from(SHAPES),
    st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=12),
    st.booleans(),
)
@example(SHAPES[0], "p@s/s?w#r=d:", False)
@example(SHAPES[3], "//", False)
def test_no_password_survives_in_any_shape_of_url(shape: str, password: str, encoded: bool) -> None:
    marked = f"ж{'ж'.join(password)}ж"  # whatever piece of it survives is seen
    written = quote(marked, safe="") if encoded else marked
    line = summary(ValueError(f"cannot open {shape.format(user='ж', password=written)} now"))
    assert "ж" not in line
    assert quote("ж") not in line
    assert line.startswith("ValueError: cannot open ")
    assert line.endswith(" now")


def test_what_is_raised_on_purpose_means_itself() -> None:
    error = NeedsHuman("key")
    assert meaning(error) is error
    assert isinstance(meaning(ValueError("x")), PluginFault)
    assert isinstance(meaning(KeyboardInterrupt()), NotReady)


def test_of_a_group_the_gravest_part_counts() -> None:
    permanent, human, retry = Permanent("a"), NeedsHuman("b"), NotReady("c")
    group = BaseExceptionGroup("x", [retry, ExceptionGroup("y", [human, permanent]), SystemExit(1)])
    assert meaning(group) is permanent
    assert meaning(ExceptionGroup("x", [retry, human])) is human
    assert meaning(ExceptionGroup("x", [retry])) is retry
