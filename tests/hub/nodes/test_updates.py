"""Nodes older than their hub: who is told, and what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.nodes.updates import notice
from node.agent import Agent


@pytest.mark.parametrize(
    ("software", "version", "older"),
    [
        ("fras-node 0.9", "0.10.0", True),
        ("fras-node 0.9.9 beta", "1", True),
        ("fras-node 1.2", "1.2.0", False),
        ("fras-node 1.2.0", "1.2.0.dev3", False),
        ("fras-node 2", "1.9", False),
        ("somebody else's 0.1", "1.0", False),
        ("", "1.0", False),
    ],
)
def test_who_is_told(software: str, version: str, older: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.nodes.updates.__version__", version)
    found = notice(software)
    assert (found is not None) is older
    assert found is None or (found.version, version in found.note) == (version, True)


def test_a_node_of_the_hubs_own_release_is_told_nothing() -> None:
    assert notice(Agent.software) is None


@given(st.text())
def test_whatever_a_node_says_it_is(text: str) -> None:
    assert notice(f"fras-node {text}") is None or text[0].isdigit()
