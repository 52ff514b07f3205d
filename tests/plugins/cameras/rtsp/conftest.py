"""One real RTSP server for the tests that leave it as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.rtsp_server import RtspServer, serving


@pytest.fixture(scope="session")
def server() -> Iterator[RtspServer]:
    with serving() as running:
        yield running
