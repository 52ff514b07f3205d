"""How a plugin's exceptions are said."""

from __future__ import annotations

import pytest

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
        (ValueError("x" * 999), "ValueError: " + "x" * 200),
    ],
)
def test_a_summary_is_one_line_without_secrets_or_file_names(error: Exception, line: str) -> None:
    assert summary(error) == line
    placed = summary(raised(error))
    assert placed.startswith(f"{line} (test_faults.py, line ")


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
