"""The local disk keeps the contract of storages."""

from __future__ import annotations

from hub.plugin.testing import StorageContract


class TestLocalDisk(StorageContract):
    module = "plugins.storage.local_disk"
