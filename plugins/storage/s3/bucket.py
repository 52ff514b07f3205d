"""One bucket, synchronous. Raises botocore's exceptions, Away for answers that are none of S3's, and NotFound."""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import boto3
import botocore
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.handlers import add_expect_header
from botocore.loaders import Loader

from .meanings import MISSING, Away, code_of, garbage
from .options import KMS, PART, Options
from .wires import make_cuttable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

AGENT: Final = "fras"
"""boto3's own tells the system, its version and Python's, and is put together anew for every call."""
CONNECT: Final = 5.0
READ: Final = 15.0
"""Seconds for one step on a socket."""
ATTEMPTS: Final = 3
LOOKS: Final = 4
"""At a key's versions, the last of which must find none."""
CONNECTIONS: Final = 8
"""One for each of the plugin's threads."""
PAGE: Final = 1000
"""Keys in one answer to a listing."""
VERSIONING_HOLDS: Final = 600.0
"""Seconds for which the bucket's answer, whether it keeps versions, is believed."""
LONGEST_LINK: Final = timedelta(days=7)
"""What signature version 4 allows."""

_loader = Loader()
"""Keeps the service's description, which takes half a second to read."""


def connect(options: Options, *, stranger: bool = False) -> S3Client:
    """A client that has not said anything yet; as a `stranger` it will not say who it is."""
    session = botocore.session.Session()
    session.register_component("data_loader", _loader)
    checksums: dict[str, Any] = {}
    if options.endpoint:  # other servers refuse the checksums that boto3 now adds by itself
        checksums = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    client: S3Client = boto3.Session(botocore_session=session).client(
        "s3",
        region_name=options.region,
        endpoint_url=options.endpoint,
        aws_access_key_id=options.access_key,
        aws_secret_access_key=options.secret_key,
        verify=str(options.ca_file) if options.ca_file else None,
        config=Config(
            signature_version=botocore.UNSIGNED if stranger else "s3v4",
            # No variable of the environment sends faces elsewhere.
            ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # the stubs do not know it
            connect_timeout=CONNECT,
            read_timeout=READ,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=CONNECTIONS,
            user_agent=AGENT,
            s3={"addressing_style": "path" if options.path_style else "virtual", "payload_signing_enabled": True},
            **checksums,
        ),
    )
    # To wait for leave to send a crop takes as long as to send it.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    make_cuttable(client)
    return client


class Bucket:
    """`key` is a storage's key; the configured prefix is added here."""

    def __init__(self, client: S3Client, options: Options) -> None:
        self._client = client
        self._options = options
        self._there: dict[str, Any] = {"Bucket": options.bucket}
        if options.owner:
            self._there["ExpectedBucketOwner"] = options.owner
        self._sealed: dict[str, Any] = {}
        if options.encryption:
            self._sealed["ServerSideEncryption"] = options.encryption
        if options.encryption == KMS and options.kms_key:
            self._sealed["SSEKMSKeyId"] = options.kms_key
        self._versions: tuple[bool, float] | None = None
        client.meta.events.register("before-parse.s3.GetBucketVersioning", self._expect_versioning)

    def close(self) -> None:
        self._client.close()

    def look(self) -> None:
        """Raises what the bucket answers to the least that one can ask."""
        page = self._client.list_objects_v2(**self._there, MaxKeys=1, Prefix=self._options.prefix)
        self._expect(page, "Name")

    def put(self, key: str, data: bytes) -> None:
        """Complete or not at all; on return the server has said that it has it."""
        if len(data) >= PART:
            return self._put_parts(key, data)
        done = self._client.put_object(**self._named(key), **self._sealed, ContentType=_type(key), Body=data)
        return self._expect(done, "ETag")

    def get(self, key: str) -> bytes:
        found = self._client.get_object(**self._named(key))
        with found["Body"] as body:
            self._expect(found, "ETag")
            return body.read()

    def keys(self, prefix: str) -> Iterator[list[str]]:
        """Page by page, sorted; what others keep below the prefix under names that are no keys is there too."""
        asked: dict[str, Any] = {}
        while True:
            page = self._client.list_objects_v2(
                **self._there, MaxKeys=PAGE, Prefix=self._options.prefix + prefix, **asked
            )
            self._expect(page, "Name")
            yield [item["Key"].removeprefix(self._options.prefix) for item in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return
            asked = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, key: str) -> None:
        """Every version and every marker of `key`, where the bucket keeps them; looked after. Fine if there is none."""
        if not self.keeps_versions():
            if not self._delete(key):
                return
            self._versions = None  # switched on since: what was deleted is hidden
        for _ in range(LOOKS):
            versions = self._versions_of(key)
            if not versions:
                return
            for version in versions:
                self._delete(key, VersionId=version)
        raise Away(f"{self._options.where}: versions of a deleted object come back", hint="the hub tries again")

    def keeps_versions(self) -> bool:
        """Whether versioning is on, or was: then a deletion hides and does not delete."""
        now = time.monotonic()
        if self._versions is None or now - self._versions[1] > VERSIONING_HOLDS:
            try:
                state = self._client.get_bucket_versioning(**self._there).get("Status")
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (405, 501):
                    raise
                state = None  # a server that knows no versions
            self._versions = (state is not None, now)
        return self._versions[0]

    def abort(self, key: str) -> None:
        """Removes the parts that interrupted uploads of `key` have left."""
        full = self._options.prefix + key
        try:
            found = self._client.list_multipart_uploads(**self._there, Prefix=full)
            for upload in found.get("Uploads", ()):
                if upload["Key"] == full:
                    self._client.abort_multipart_upload(**self._named(key), UploadId=upload["UploadId"])
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":  # some servers say so where there are none
                raise

    def begin_and_abort(self, key: str) -> None:
        """Whether `key` could be put, with the configured encryption; puts nothing."""
        named = self._named(key)
        begun = self._client.create_multipart_upload(**named, **self._sealed)
        self._expect(begun, "UploadId")
        self._client.abort_multipart_upload(**named, UploadId=begun["UploadId"])

    def link(self, key: str, lifetime: timedelta) -> str:
        # Not with the owner: what is signed with it, a browser would have to say in a header.
        named = {"Bucket": self._options.bucket, "Key": self._options.prefix + key}
        asked = {**named, "ResponseCacheControl": "private, no-store"}
        seconds = max(1, int(min(lifetime, LONGEST_LINK).total_seconds()))
        return self._client.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds)

    def _put_parts(self, key: str, data: bytes) -> None:
        self.abort(key)
        named = self._named(key)
        begun = self._client.create_multipart_upload(**named, **self._sealed, ContentType=_type(key))
        self._expect(begun, "UploadId")
        upload = {**named, "UploadId": begun["UploadId"]}
        parts: list[Any] = []
        try:
            for number, start in enumerate(range(0, len(data), PART), start=1):
                part = self._client.upload_part(**upload, PartNumber=number, Body=data[start : start + PART])
                self._expect(part, "ETag")
                parts.append({"ETag": part["ETag"], "PartNumber": number})
            done = self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
            self._expect(done, "ETag")
        except ClientError:  # it answers, so it will answer this too; otherwise the next try begins with it
            self._client.abort_multipart_upload(**upload)
            raise

    def _delete(self, key: str, **version: Any) -> bool:
        """Whether the server only put a marker over what it keeps."""
        try:
            done = self._client.delete_object(**self._named(key), **version)
        except ClientError as error:
            if code_of(error) in MISSING:  # most servers say 204 to that, too
                return False
            raise
        if done["ResponseMetadata"]["HTTPStatusCode"] != 204:
            raise garbage(self._options)
        return bool(done.get("DeleteMarker"))

    def _versions_of(self, key: str) -> list[str]:
        full = self._options.prefix + key
        found: list[str] = []
        asked: dict[str, Any] = {}
        while True:
            page = self._client.list_object_versions(**self._there, MaxKeys=PAGE, Prefix=full, **asked)
            self._expect(page, "Name")
            listed = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            found += [item["VersionId"] for item in listed if item["Key"] == full]
            # Sorted by key: once a longer one is listed, this one's versions are all there.
            if not page.get("IsTruncated") or any(item["Key"] != full for item in listed):
                return found
            asked = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def _expect_versioning(self, response_dict: Any, **_: Any) -> None:
        """Never on is said by saying nothing, which must not be a broken answer's nothing."""
        if response_dict["status_code"] == 200 and b"Versioning" not in response_dict["body"]:
            raise garbage(self._options)

    def _named(self, key: str) -> dict[str, Any]:
        return {**self._there, "Key": self._options.prefix + key}

    def _expect(self, answer: Any, name: str) -> None:
        """A log-in page answers 200 to everything; an answer of S3 has what S3 says it has."""
        if not answer.get(name):
            raise garbage(self._options)


def _type(key: str) -> str:
    return mimetypes.guess_type(key)[0] or "application/octet-stream"
