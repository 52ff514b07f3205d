"""The http_push camera keeps the contract of cameras."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from hub.plugin import Frame
from hub.plugin.testing import CameraContract
from tests.support.media import image_file, scene


class TestHttpPush(CameraContract):
    module = "plugins.cameras.http_push"

    @pytest.fixture
    def sent(self) -> Sequence[Frame]:
        taken = datetime(2026, 11, 16, 8, 0, tzinfo=UTC)
        return [Frame(7, seq, taken + timedelta(seconds=seq), image_file(scene(seed=seq))) for seq in range(5)]
