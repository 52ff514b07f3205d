"""azure_face keeps the contract of identifiers, on the fake service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio

from hub.plugin import Picture
from hub.plugin.testing import IdentifierContract
from tests.support.azure import FakeAzure, crop, serving
from tests.support.azure.server import KEY


class TestAzureFace(IdentifierContract):
    module = "plugins.recognizers.azure_face"

    @pytest_asyncio.fixture
    async def azure(self) -> AsyncIterator[FakeAzure]:
        async with serving() as fake:
            yield fake

    @pytest.fixture
    def config(self, azure: FakeAzure) -> Mapping[str, Any]:
        return {
            "endpoint": azure.endpoint, "key": KEY, "group": "school", "train_after": "0 s", "calls_per_second": 1000,
        }  # fmt: skip

    @pytest.fixture
    def portraits(self) -> tuple[Sequence[Picture], Sequence[Picture]]:
        return [crop("ada"), crop("ada", brightness=-4)], [crop("bob")]
