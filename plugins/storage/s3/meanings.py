"""What the server's and the network's errors mean, in one line for people.

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. A HEAD has no body, so there botocore gives
the bare status as the code. Nothing of what a server writes is repeated: it may hold the key's id, or anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore import exceptions as boto

from hub.plugin import NeedsHuman, NotFound, NotReady, PluginError

from .options import Options

PAGE = "docs/storage-s3.md"

MISSING = frozenset({"NoSuchKey", "NoSuchVersion"})
_UNKNOWN_KEY = frozenset({"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"})
_BAD_SECRET = frozenset({"SignatureDoesNotMatch", "InvalidSignature"})
_EXPIRED = frozenset({"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "ExpiredTokenException"})
_REGION = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
     "301", "307"}
)  # fmt: skip
_SKEW = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_FULL = frozenset(
    {"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "507"}
)
_BUSY = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "429"})
_CODE = re.compile(r"[A-Za-z0-9.]{1,60}", re.ASCII)


class Away(NotReady):
    """The server cannot be reached or does not do its work; nothing is wrong with what was asked."""


class Refused(PluginError):
    """The server does not take this one object, and may well take the next."""


def garbage(options: Options) -> Away:
    return Away(
        f"{options.where} answers, but not as S3 does",
        hint="look at storage: endpoint: (the S3 port, not the console's), and for a proxy or a log-in page in between",
    )


def code_of(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: boto.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def meaning(error: Exception, options: Options) -> PluginError:
    """`error` of a call as the plugin's own; whatever cannot be read is garbage, which breaks botocore in many ways."""
    if isinstance(error, boto.ClientError):
        return _of_answer(code_of(error), error.response, options)
    if isinstance(error, boto.SSLError):
        return _of_tls(error, options)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError):
        return NeedsHuman(
            "storage s3: there are no credentials",
            hint="write storage: access_key: and secret_key: (with !secret), or give this machine a role",
        )
    if isinstance(error, boto.ProfileNotFound | boto.ConfigParseError | boto.ConfigNotFound):
        return NeedsHuman(
            "storage s3: what this machine's AWS configuration says cannot be used",
            hint="correct AWS_PROFILE and ~/.aws of the user that runs fras, or remove them",
        )
    if isinstance(error, boto.ConnectTimeoutError | boto.EndpointConnectionError):
        named = "endpoint:" if options.endpoint else "region:"
        return Away(f"{options.where} cannot be reached", hint=f"check the network, and storage: {named}")
    if isinstance(error, boto.ReadTimeoutError):
        return Away(f"{options.where} does not answer in time")
    if isinstance(error, boto.ProxyConnectionError):
        return Away(f"{options.where} cannot be reached through the proxy", hint="check HTTPS_PROXY and NO_PROXY")
    if isinstance(error, boto.ConnectionClosedError | boto.IncompleteReadError | boto.ResponseStreamingError):
        return Away(f"{options.where} cuts the connection")
    if isinstance(error, boto.ParamValidationError | boto.InvalidRegionError):
        return NeedsHuman(f"{options.where}: its name is none that S3 takes", hint="check storage: bucket: and region:")
    return garbage(options)


def _of_tls(error: boto.SSLError, options: Options) -> PluginError:
    told = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in told or "doesn't match" in told:
        fact = (
            "has expired" if "expired" in told
            else "is for another host" if "match" in told and "self" not in told
            else "is signed by nobody this machine trusts"
        )  # fmt: skip
        return NeedsHuman(
            f"{options.where}: its certificate {fact}",
            hint="for a certificate of your own authority write storage: ca_file:",
        )
    return Away(f"{options.where}: no TLS there", hint="check the port, and https or http, at storage: endpoint:")


def _of_answer(code: str, response: Mapping[str, Any], options: Options) -> PluginError:
    about = response.get("ResponseMetadata", {})
    status = int(about.get("HTTPStatusCode", 0))
    headers: Mapping[str, str] = about.get("HTTPHeaders", {})
    where = options.where
    if code in MISSING:
        return NotFound("nothing under this key")
    if code in _SKEW:
        return NeedsHuman(
            f"{where} refuses this machine's clock{_skew(headers)}",
            hint="set the clock by network time: timedatectl set-ntp true",
        )
    if code in _UNKNOWN_KEY:
        return NeedsHuman(f"{where} does not know the access key", hint="check storage: access_key:")
    if code in _BAD_SECRET:
        return NeedsHuman(
            f"{where} says that the secret key does not belong to the access key", hint="check storage: secret_key:"
        )
    if code in _EXPIRED:
        return NeedsHuman(f"{where}: the credentials have expired", hint="renew them")
    if code in _REGION:
        there = headers.get("x-amz-bucket-region", "")
        named = f" is in the region {there}" if re.fullmatch(r"[a-z0-9-]{1,40}", there) else " is in another region"
        return NeedsHuman(f"{where}{named}", hint="correct storage: region:")
    if code == "NoSuchBucket":
        return NeedsHuman(f"{where}: there is no such bucket", hint="create it, or correct storage: bucket:")
    if code.startswith("KMS."):
        return NeedsHuman(
            f"{where}: the key at storage: kms_key: cannot be used ({_CODE.match(code)[0]})",  # type: ignore[index]
            hint="check its id, its region, that it is enabled, and the right kms:GenerateDataKey and kms:Decrypt",
        )
    if code in _FULL or status == 507:
        return Away(f"{where} has no room", hint="make room there, or raise the bucket's quota")
    if status in (401, 403):
        return NeedsHuman(
            f"{where}: no right to do this, or the bucket is another account's",
            hint=f"compare the policy with {PAGE}, and storage: bucket: with what you own",
        )
    if status == 501:
        leave = "leave out storage: encryption:, or " if options.encryption else ""
        return NeedsHuman(f"{where} does not support what is asked of it (501)", hint=f"{leave}take another server")
    if code in _BUSY or status >= 500 or status == 429:
        return Away(f"{where} is overloaded or out of order ({status})")
    if 300 <= status < 400 or code.isdigit() or not _CODE.match(code):  # an error of S3's has a name
        return garbage(options)
    return Refused(f"{where} refuses it: {_CODE.match(code)[0]}", hint=f"see {PAGE}")  # type: ignore[index]


def _skew(headers: Mapping[str, str]) -> str:
    """How far this machine's clock is off by the answer's Date."""
    try:
        off = (datetime.now(UTC) - parsedate_to_datetime(headers["date"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return ""
    return f", which is {abs(off) / 60:.0f} min {'ahead' if off > 0 else 'behind'}"
