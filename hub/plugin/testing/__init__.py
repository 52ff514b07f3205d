"""Contract tests that plugin authors run with pytest: what the hub relies on, in one class for each role.

    from hub.plugin.testing import CameraContract

    class TestLobby(CameraContract):
        module = "fras_lobby"

        @pytest.fixture
        def config(self, tmp_path):
            return {"url": "http://127.0.0.1:8080/snapshot.jpg"}

Needs pytest, pytest-asyncio (with `asyncio_mode = "auto"`) and hypothesis. Only test code imports this package.
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{module}"
        for module in ("base", "camera", "embedder", "identifier", "leaks", "secrets", "storage", "ticks")
    )
)

from .base import HEAVY, Opener, PluginContract  # noqa: E402 (after assert rewriting is set up)
from .camera import CameraContract  # noqa: E402
from .context import StandInContext, make_context  # noqa: E402
from .embedder import EmbedderContract  # noqa: E402
from .identifier import IdentifierContract  # noqa: E402
from .leaks import nothing_left_open, nothing_left_running  # noqa: E402
from .storage import StorageContract  # noqa: E402
from .ticks import keeps_ticking  # noqa: E402

__all__ = [
    "HEAVY",
    "CameraContract",
    "EmbedderContract",
    "IdentifierContract",
    "Opener",
    "PluginContract",
    "StandInContext",
    "StorageContract",
    "keeps_ticking",
    "make_context",
    "nothing_left_open",
    "nothing_left_running",
]
