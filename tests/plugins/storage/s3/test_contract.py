"""s3 keeps every promise of a storage, on a server that checks signatures and on one that knows all of S3."""

from __future__ import annotations

from typing import Any

import pytest

from hub.plugin.testing import StorageContract
from tests.support.s3_servers import Server


class TestWithSignatures(StorageContract):
    module = "plugins.storage.s3"

    @pytest.fixture
    def config(self, rclone_server: Server, bucket: str) -> dict[str, Any]:
        rclone_server.make(bucket)
        return rclone_server.config(bucket)


class TestWithEverything(StorageContract):
    module = "plugins.storage.s3"

    @pytest.fixture
    def config(self, moto_server: Server, bucket: str) -> dict[str, Any]:
        moto_server.make(bucket)
        return moto_server.config(bucket, prefix="school/", links="direct", encryption="AES256")
