"""What is asked of S3 itself: versions, encryption, parts, links, prefixes, pages. On moto, seen with boto3 itself."""

from __future__ import annotations

import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.plugin import NeedsHuman, NotFound, NotReady, Storage
from plugins.storage.s3.bucket import Bucket
from plugins.storage.s3.options import PART, Options
from tests.support.s3_servers import Server, answer, cut_answer, fault_proxy, forward, refused, until

from .conftest import Opener, Prober


@pytest.fixture
def boto(moto_server: Server, bucket: str) -> Any:
    moto_server.make(bucket)
    return moto_server.client()


def versions(boto: Any, bucket: str) -> list[str]:
    page = boto.list_object_versions(Bucket=bucket)
    return sorted(item["Key"] for item in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())])


def keys(boto: Any, bucket: str) -> list[str]:
    return [item["Key"] for item in boto.list_objects_v2(Bucket=bucket).get("Contents", ())]


async def arrived(boto: Any, bucket: str, *wanted: str) -> None:
    await until(lambda: keys(boto, bucket) == sorted(wanted))


async def listed(storage: Storage, prefix: str = "") -> list[str]:
    return [key async for key in storage.list(prefix)]


async def test_erasure_takes_every_version_and_marker_and_no_neighbour(
    moto_server: Server, boto: Any, bucket: str, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugins.storage.s3 import bucket as module

    monkeypatch.setattr(module, "PAGE", 3)
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a/b", "a/b", "a/b", "a/b", "a/bc", "a/b.jpg"):
        boto.put_object(Bucket=bucket, Key=key, Body=b"old")
    boto.delete_object(Bucket=bucket, Key="a/b")
    boto.put_object(Bucket=bucket, Key="a/b", Body=b"again")
    async with opened(moto_server.config(bucket)) as storage:
        assert versions(boto, bucket).count("a/b") == 6
        await storage.delete("a/b")
        assert versions(boto, bucket) == ["a/b.jpg", "a/bc"]
        with pytest.raises(NotFound):
            await storage.get("a/b")


async def test_versions_that_are_switched_on_between_two_deletions_are_found_by_the_second(
    moto_server: Server, boto: Any, bucket: str, opened: Opener
) -> None:
    for key in ("a", "b"):
        boto.put_object(Bucket=bucket, Key=key, Body=b"x")
    async with opened(moto_server.config(bucket)) as storage:
        await storage.delete("a")
        boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        boto.put_object(Bucket=bucket, Key="b", Body=b"y")
        await storage.delete("b")
        assert versions(boto, bucket) == []


async def test_a_bucket_that_kept_versions_once_is_asked_for_them(
    moto_server: Server, boto: Any, bucket: str, tmp_path: Path
) -> None:
    options = Options.of({**moto_server.config(bucket), "links": "proxied", "spool": 1}, tmp_path)
    for state in ("Enabled", "Suspended"):
        boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": state})
        assert Bucket(boto, options).keeps_versions()


async def test_a_broken_answer_about_versions_is_not_taken_for_none(
    moto_server: Server, boto: Any, bucket: str, opened: Opener, eager: None
) -> None:
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    boto.put_object(Bucket=bucket, Key="a", Body=b"x")
    async with fault_proxy(moto_server.endpoint) as proxy, opened(Server(proxy.endpoint).config(bucket)) as storage:
        for fault in (answer("200 OK"), cut_answer(20), refused("403 Forbidden", "AccessDenied")):
            await proxy.set(fault)
            with pytest.raises((NotReady, NeedsHuman)):
                await storage.delete("a")
        assert versions(boto, bucket) == ["a"]
        await proxy.set(forward)
        await until(lambda: versions(boto, bucket) == [])  # what was noted follows by itself


async def test_a_server_that_knows_no_versions(
    moto_server: Server, boto: Any, bucket: str, opened: Opener, eager: None
) -> None:
    async with fault_proxy(moto_server.endpoint) as proxy, opened(Server(proxy.endpoint).config(bucket)) as storage:
        await proxy.set(refused("501 Not Implemented", "NotImplemented"))
        with pytest.raises(NeedsHuman, match=r"does not support what is asked of it \(501\)"):  # the deletion itself
            await storage.delete("a")
        boto.put_object(Bucket=bucket, Key="a", Body=b"x")
        await proxy.set(forward)
        await until(lambda: keys(boto, bucket) == [])


@pytest.mark.parametrize(
    ("options", "header", "key"),
    [
        ({"encryption": "AES256"}, "AES256", None),
        ({"encryption": "aws:kms"}, "aws:kms", None),
        ({"encryption": "aws:kms", "kms_key": "11111111-2222"}, "aws:kms", "11111111-2222"),
    ],
)
async def test_encryption_at_the_server(
    moto_server: Server,
    boto: Any,
    bucket: str,
    opened: Opener,
    options: dict[str, str],
    header: str,
    key: str | None,
) -> None:
    async with opened(moto_server.config(bucket, **options)) as storage:
        await storage.put("small", b"x")
        await storage.put("big", b"y" * (PART + 1))
        await arrived(boto, bucket, "small", "big")
    for name in ("small", "big"):
        found = boto.head_object(Bucket=bucket, Key=name)
        assert found["ServerSideEncryption"] == header
        if key:
            assert found["SSEKMSKeyId"].endswith(key)


async def test_a_big_object_goes_up_in_parts_and_leaves_none_of_an_interrupted_upload(
    moto_server: Server, boto: Any, bucket: str, opened: Opener
) -> None:
    left = boto.create_multipart_upload(Bucket=bucket, Key="big")
    boto.upload_part(Bucket=bucket, Key="big", UploadId=left["UploadId"], PartNumber=1, Body=b"half")
    other = boto.create_multipart_upload(Bucket=bucket, Key="bigger")["UploadId"]
    async with opened(moto_server.config(bucket)) as storage:
        await storage.put("big", b"z" * (2 * PART + 1))
        await arrived(boto, bucket, "big")
    found = boto.head_object(Bucket=bucket, Key="big")
    assert (found["ContentLength"], found["ETag"].strip('"')[-2:]) == (2 * PART + 1, "-3")
    assert [upload["UploadId"] for upload in boto.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [other]


async def test_links_show_the_picture_for_a_while_and_only_what_has_arrived(
    moto_server: Server, boto: Any, bucket: str, opened: Opener
) -> None:
    async with opened(moto_server.config(bucket, links="direct", owner="123456789012")) as storage:
        await storage.put("crops/a.jpg", b"picture")
        await arrived(boto, bucket, "crops/a.jpg")
        link = await storage.link("crops/a.jpg", timedelta(minutes=5))
    assert link is not None
    with urllib.request.urlopen(link) as page:
        assert (page.read(), page.headers["Content-Type"]) == (b"picture", "image/jpeg")
    assert "X-Amz-Expires=300" in link
    assert "X-Amz-SignedHeaders=host&" in link  # a browser says no more
    assert "a-secret" not in link
    async with opened(moto_server.config(bucket)) as storage:
        assert await storage.link("crops/a.jpg", timedelta(minutes=5)) is None


async def test_objects_are_private(rclone_server: Server, bucket: str, opened: Opener) -> None:
    rclone_server.make(bucket)
    async with opened(rclone_server.config(bucket, links="direct")) as storage:
        await storage.put("a", b"x")
        await until(lambda: keys(rclone_server.client(), bucket) == ["a"])
        link = await storage.link("a", timedelta(minutes=1))
    assert link is not None
    with urllib.request.urlopen(link) as page:
        assert page.read() == b"x"
    with pytest.raises(urllib.error.HTTPError, match=r"40[03]"):
        urllib.request.urlopen(link.partition("?")[0])


async def test_a_bucket_shared_with_others(moto_server: Server, boto: Any, bucket: str, opened: Opener) -> None:
    boto.put_object(Bucket=bucket, Key="other/a", Body=b"theirs")
    boto.put_object(Bucket=bucket, Key="mine/has spaces", Body=b"no key of ours")
    async with opened(moto_server.config(bucket, prefix="mine/")) as storage:
        await storage.put("a", b"ours")
        await until(lambda: "mine/a" in keys(boto, bucket))
        assert await listed(storage) == ["a"]
        assert await storage.get("a") == b"ours"
        await storage.delete("a")
    assert keys(boto, bucket) == ["mine/has spaces", "other/a"]


async def test_lists_page_by_page_with_what_still_waits(
    moto_server: Server, boto: Any, bucket: str, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugins.storage.s3 import bucket as module

    monkeypatch.setattr(module, "PAGE", 3)
    for number in range(8):
        boto.put_object(Bucket=bucket, Key=f"crops/{number}", Body=b"x")
    async with fault_proxy(moto_server.endpoint) as proxy:
        await proxy.set(None)
        config = Server(proxy.endpoint).config(bucket)
        async with opened(config) as storage:
            for key in ("crops/25", "crops/9", "a", "crops/3"):
                await storage.put(key, b"waits")
            with pytest.raises(NotReady):
                await storage.delete("crops/5")
        await proxy.set(forward)
        monkeypatch.setattr("plugins.storage.s3.uploads.Uploads.run", _never)
        async with opened(config) as storage:
            assert await listed(storage, "crops/") == [f"crops/{name}" for name in ("0", "1", "2", "25", *"34679")]
            assert await listed(storage) == ["a", *await listed(storage, "c")]
            assert await storage.get("crops/3") == b"waits"
            with pytest.raises(NotFound):
                await storage.get("crops/5")
            assert await storage.link("crops/3", timedelta(minutes=1)) is None


async def _never(uploads: object) -> None:
    """Nothing goes up."""


async def test_what_check_connect_finds(moto_server: Server, boto: Any, bucket: str, probed: Prober) -> None:
    config = moto_server.config(bucket, encryption="aws:kms")
    found = await probed(config)
    assert found.startswith(f"bucket {bucket} at 127.0.0.1:")
    assert found.endswith(
        "can be used; it keeps no versions; anybody may list what it holds: block all public access; "
        "pictures travel without encryption (http); "
        "no lifecycle removes crops that the hub could not (docs/storage-s3.md)"
    )
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    boto.put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={
            "Rules": [
                {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "crops/"}, "Expiration": {"Days": 40}},
                {"ID": "b", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 90}},
                {"ID": "c", "Status": "Disabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}},
            ]
        },
    )
    found = await probed(config)
    assert "it keeps versions, which deletion removes too" in found
    assert "its lifecycle removes portraits after 90 days, though consent may stand" in found
    assert "its lifecycle removes crops after 40 days" in found
    assert versions(boto, bucket) == [], "a probe changes nothing"
    assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)


async def test_a_bucket_that_shows_pictures_to_anybody_is_not_fit(
    moto_server: Server, boto: Any, bucket: str, probed: Prober
) -> None:
    boto.put_object(Bucket=bucket, Key="crops/a.jpg", Body=b"a face")
    assert "can be used" in await probed(moto_server.config(bucket))
    boto.put_object_acl(Bucket=bucket, Key="crops/a.jpg", ACL="public-read")
    with pytest.raises(NeedsHuman, match="shows what it holds to anybody, without a key; block all public access"):
        await probed(moto_server.config(bucket))


async def test_where_strangers_get_nothing_the_check_says_nothing_of_them(
    rclone_server: Server, bucket: str, probed: Prober
) -> None:
    rclone_server.make(bucket)
    rclone_server.client().put_object(Bucket=bucket, Key="crops/a.jpg", Body=b"a face")
    assert "anybody" not in await probed(rclone_server.config(bucket))
