"""What `fras check --connect` finds out: that the bucket is there, what may be done in it, and what to look at."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from hub.plugin import Config, NeedsHuman, PluginContext

from .bucket import Bucket, connect
from .line import Line
from .meanings import MISSING, PAGE, code_of
from .options import Options

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PORTRAITS = "portraits/"
CROPS = "crops/"
"""Where the hub keeps what; a lifecycle may remove the one and never the other."""


async def probe(config: Config, context: PluginContext) -> str:
    options = Options.of(config, context.base_folder)
    return await Line(context, options, log=False).call(lambda: _find(options))


def _find(options: Options) -> str:
    client = connect(options)
    try:
        _reach(client, options)
        bucket = Bucket(client, options)
        versions = _allowed("see whether it keeps versions (s3:GetBucketVersioning)", options, bucket.keeps_versions)
        _try(bucket, options, versions)
        listed = _strangers(client, options)
        return "; ".join([f"{options.where} can be used", *_remarks(client, options, versions, listed)])
    finally:
        client.close()


def _reach(client: S3Client, options: Options) -> None:
    """Raises NeedsHuman for a bucket that is in another region than hub.yaml says: whose data lies where matters."""
    there: dict[str, Any] = {"Bucket": options.bucket}
    if options.owner:
        there["ExpectedBucketOwner"] = options.owner
    # A HEAD says nothing but a status when it is refused: the reason, like a wrong secret, comes with a listing.
    try:
        client.list_objects_v2(**there, Prefix=options.prefix, MaxKeys=1)
    except ClientError as error:
        if code_of(error) not in MISSING:
            raise
        raise NeedsHuman(
            f"{options.where}: the name is taken for an object in another bucket",
            hint="leave the bucket out of storage: endpoint: (not https://BUCKET.HOST), and write it at bucket: alone",
        ) from None
    if options.endpoint:
        return
    headers = client.head_bucket(**there)["ResponseMetadata"]["HTTPHeaders"]
    region = headers.get("x-amz-bucket-region", options.region)
    if region != options.region:
        raise NeedsHuman(
            f"{options.where} is in the region {region}",
            hint=f"write storage: region: {region}, or take another bucket",
        )


def _try(bucket: Bucket, options: Options, versions: bool) -> None:
    """Every right that the storage needs, on a key that nobody uses; leaves nothing."""
    key = f"crops/check-{uuid.uuid4().hex}"
    _allowed("read (s3:GetObject)", options, lambda: bucket.get(key))
    _allowed("write (s3:PutObject, s3:AbortMultipartUpload)", options, lambda: bucket.begin_and_abort(key))
    _allowed("list unfinished uploads (s3:ListBucketMultipartUploads)", options, lambda: bucket.abort(key))
    if versions:
        _allowed("list versions (s3:ListBucketVersions)", options, lambda: bucket.delete(key))
    else:
        _allowed("delete (s3:DeleteObject)", options, lambda: bucket.delete(key))


def _allowed(what: str, options: Options, call: Any) -> Any:
    try:
        return call()
    except ClientError as error:
        if (code := code_of(error)) in MISSING:
            return None
        if code not in ("AccessDenied", "403"):
            raise
        raise NeedsHuman(f"{options.where}: no right to {what}", hint=f"compare the policy with {PAGE}") from None


def _strangers(client: S3Client, options: Options) -> bool:
    """Whether somebody without a key may list the bucket. Raises NeedsHuman where they may look at what is in it."""
    asked: dict[str, Any] = {"Bucket": options.bucket}
    found = client.list_objects_v2(**asked, Prefix=options.prefix, MaxKeys=1).get("Contents", [])
    stranger = connect(options, stranger=True)
    try:
        if found and _answered(lambda: stranger.get_object(**asked, Key=found[0]["Key"], Range="bytes=0-0")["Body"]):
            raise NeedsHuman(
                f"{options.where} shows what it holds to anybody, without a key",
                hint=f"block all public access; compare with {PAGE}",
            )
        return _answered(lambda: stranger.list_objects_v2(**asked, Prefix=options.prefix, MaxKeys=1))
    finally:
        stranger.close()


def _answered(call: Any) -> bool:
    try:
        call()
    except ClientError:
        return False
    return True


def _remarks(client: S3Client, options: Options, versions: bool, listed: bool) -> Iterator[str]:
    yield "it keeps versions, which deletion removes too" if versions else "it keeps no versions"
    if listed:
        yield "anybody may list what it holds: block all public access"
    if not options.tls:
        yield "pictures travel without encryption (http)"
    yield from _lifecycle(client, options)


def _lifecycle(client: S3Client, options: Options) -> Iterator[str]:
    try:
        rules = client.get_bucket_lifecycle_configuration(Bucket=options.bucket).get("Rules", [])
    except ClientError as error:
        if code_of(error) in ("AccessDenied", "403"):
            yield "no right to see its lifecycle (s3:GetLifecycleConfiguration)"
            return
        rules = []
    enabled = [rule for rule in rules if rule.get("Status") == "Enabled"]
    portraits = _days(enabled, options.prefix + PORTRAITS)
    crops = _days(enabled, options.prefix + CROPS)
    if portraits is not None:
        yield f"its lifecycle removes portraits after {portraits} days, though consent may stand: limit it to crops/"
    if crops is None:
        yield f"no lifecycle removes crops that the hub could not ({PAGE})"
    else:
        yield f"its lifecycle removes crops after {crops} days: more than storage: keep: crops: must it be"


def _days(rules: list[Any], prefix: str) -> int | None:
    """After how many days the first of these rules removes an object below `prefix`."""
    found = []
    for rule in rules:
        filtered = rule.get("Filter", {})
        of = rule.get("Prefix") or filtered.get("Prefix") or filtered.get("And", {}).get("Prefix") or ""
        tagged = "Tag" in filtered or "Tags" in filtered.get("And", {})
        days = rule.get("Expiration", {}).get("Days")
        if days is not None and not tagged and (prefix.startswith(of) or of.startswith(prefix)):
            found.append(int(days))
    return min(found, default=None)
