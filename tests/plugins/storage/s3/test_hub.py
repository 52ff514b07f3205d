"""The hub's own parts with their pictures in a bucket: recognition goes on without it, erasure does not pretend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import voluptuous as vol

from hub.plugin import NotFound, NotReady, StorageSpec
from plugins.storage.s3 import fras_plugins
from tests.support.s3_servers import Server, fault_proxy, forward, hang, until
from tests.support.services import frame, recognised, services


def configured(config: dict[str, Any]) -> StorageSpec:
    """The storage for a supervisor that has no hub.yaml."""
    (spec,) = fras_plugins()
    checked = vol.Schema(dict(spec.config_schema))(config)
    return replace(spec, open=lambda _, context: spec.open(checked, context))


async def test_recognition_does_not_wait_for_the_bucket_and_erasure_does(
    moto_server: Server, bucket: str, eager: None, tmp_path: Path
) -> None:
    moto_server.make(bucket)
    boto = moto_server.client()
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def there() -> list[str]:
        page = boto.list_object_versions(Bucket=bucket)
        return sorted({item["Key"] for item in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]})

    async with fault_proxy(moto_server.endpoint) as proxy:
        spec = configured(Server(proxy.endpoint).config(bucket))
        await proxy.set(hang)
        async with services(tmp_path, storage=spec) as school:
            await school.enrol("ada")
            await recognised(school, [frame(seq, "ada") for seq in range(1, 6)])
            crops = await school.pointers()
            assert len(crops) == 5
            assert all([await school.storage.get(key) for key in crops])
            assert there() == []
            await proxy.set(forward)
            await until(lambda: there() == crops)
            await proxy.set(None)
            with pytest.raises(NotReady):
                await school.erasure.person("ada")
            assert len(there()) == 5
            for key in crops:
                with pytest.raises(NotFound):
                    await school.storage.get(key)
            await proxy.set(forward)
            await until(lambda: there() == [])  # what was noted
            await recover(school)
            assert there() == []
            assert await school.pointers() == []


async def recover(school: Any) -> None:
    """Says it again until the bucket is tried again."""
    for _ in range(100):
        try:
            await school.erasure.person("ada")
            return
        except NotReady:
            continue
    raise AssertionError("never")
