"""The storage's section of hub.yaml: what may be written there, and what it means."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import voluptuous as vol

from hub.plugin import Config, NeedsHuman
from hub.plugin.validators import Validator, size, text

DIRECT, PROXIED = "direct", "proxied"
AES256, KMS = "AES256", "aws:kms"
PART: Final = 8 * 1024 * 1024
"""Bytes from which an object goes up in parts of that size."""

_BUCKET = r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]"
_REGION = r"[a-z0-9][a-z0-9-]{0,30}"
_PREFIX = r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?"


def _bucket(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_BUCKET, value, re.ASCII):
        raise vol.ValueInvalid(
            "not a bucket; write its name alone (3 to 63 letters, digits, dots and hyphens), without s3:// and path"
        )
    return value


def _region(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_REGION, value, re.ASCII):
        raise vol.ValueInvalid("not a region; write it as the provider does, for example eu-central-1")
    return value


def _prefix(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_PREFIX, value, re.ASCII):
        raise vol.ValueInvalid("not a prefix; write for example lindenschule/, of letters, digits, dots and hyphens")
    return value.rstrip("/") + "/"


def _endpoint(value: Any) -> str:
    """`scheme://host[:port]`, without the final slash."""
    try:
        url = urlsplit(value if isinstance(value, str) else "")
        port = url.port
    except ValueError:
        raise vol.ValueInvalid("not a URL; write for example https://minio.school.example:9000") from None
    if url.scheme not in ("http", "https") or not url.hostname or re.search(r"\s", value):
        raise vol.ValueInvalid("not a URL; begin it with https://, for example https://minio.school.example:9000")
    if url.username is not None or url.password is not None:
        raise vol.ValueInvalid("a URL with credentials; write them at access_key and secret_key, with !secret")
    if url.path not in ("", "/") or url.query or url.fragment:
        raise vol.ValueInvalid("a URL with a path; write scheme, host and port alone, and the bucket at bucket:")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return f"{url.scheme}://{host}" + (f":{port}" if port else "")


def _owner(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\d{12}", value, re.ASCII):
        raise vol.ValueInvalid('not an AWS account; write its 12 digits in quotes, for example "123456789012"')
    return value


SCHEMA = {
    vol.Required("bucket", description="the bucket's name; it must exist"): Validator(
        _bucket, {"type": "string", "pattern": f"^{_BUCKET}$"}
    ),
    vol.Optional("region", description="where the bucket lies; without an endpoint it must be given"): Validator(
        _region, {"type": "string", "pattern": f"^{_REGION}$", "examples": ["eu-central-1"]}
    ),
    vol.Optional("endpoint", description="a server other than AWS, as https://host:port"): Validator(
        _endpoint, {"type": "string", "pattern": "^https?://[^/?#@]+/?$"}
    ),
    vol.Optional(
        "access_key", description="without both keys: the environment's, or those of the machine's role"
    ): text,
    vol.Optional("secret_key", description="as !secret"): text,
    vol.Optional("prefix", description="begins every key, for a bucket that others use too"): Validator(
        _prefix, {"type": "string", "pattern": f"^{_PREFIX}$"}
    ),
    vol.Optional("path_style", description="https://host/bucket; by default wherever there is an endpoint"): bool,
    vol.Optional("encryption", description="at the server; by default what the bucket does"): vol.In((AES256, KMS)),
    vol.Optional("kms_key", description="with aws:kms: the id of the key; by default the account's own"): text,
    vol.Optional("links", default=PROXIED, description="pictures come from the hub, or by short links"): vol.In(
        (PROXIED, DIRECT)
    ),
    vol.Optional("owner", description="the AWS account that must own the bucket: 12 digits, in quotes"): Validator(
        _owner, {"type": "string", "pattern": r"^\d{12}$"}
    ),
    vol.Optional("ca_file", description="certificates to trust instead of the system's, relative to hub.yaml"): text,
    vol.Optional("spool", default="2 GB", description="most that waits on this machine while S3 is away"): size,
}


def go_together(config: Config) -> None:
    """Raises NeedsHuman for options that do not."""
    if "endpoint" not in config and "region" not in config:
        raise NeedsHuman(
            "storage s3: neither region nor endpoint is given",
            hint="write storage: region: eu-central-1 (where the bucket lies), or the endpoint of your own server",
        )
    if ("access_key" in config) != ("secret_key" in config):
        raise NeedsHuman(
            "storage s3: of access_key and secret_key only one is given",
            hint="write both, or neither for the credentials of the environment or the machine's role",
        )
    if "kms_key" in config and config.get("encryption") != KMS:
        raise NeedsHuman("storage s3: kms_key is given without encryption: aws:kms", hint="write both, or neither")


@dataclass(frozen=True, slots=True)
class Options:
    bucket: str
    region: str
    endpoint: str | None
    path_style: bool
    prefix: str
    links: str
    spool: int
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    encryption: str | None = None
    kms_key: str | None = None
    owner: str | None = None
    ca_file: Path | None = None

    @property
    def where(self) -> str:
        """How messages call it."""
        return f"bucket {self.bucket} at {urlsplit(self.endpoint).netloc if self.endpoint else f'AWS {self.region}'}"

    @property
    def tls(self) -> bool:
        return not (self.endpoint or "").startswith("http://")

    @classmethod
    def of(cls, config: Config, base_folder: Path) -> Options:
        """Raises NeedsHuman as `go_together`, and for a file that is not there."""
        go_together(config)
        endpoint = config.get("endpoint")
        ca_file = config.get("ca_file")
        path = base_folder / Path(ca_file).expanduser() if ca_file else None
        if path is not None and not path.is_file():
            raise NeedsHuman(f"storage s3: the ca_file {path} is not there", hint="correct storage: ca_file:")
        return cls(
            bucket=config["bucket"],
            region=config.get("region", "us-east-1"),
            endpoint=endpoint,
            path_style=config.get("path_style", endpoint is not None),
            prefix=config.get("prefix", ""),
            links=config["links"],
            spool=config["spool"],
            access_key=config.get("access_key"),
            secret_key=config.get("secret_key"),
            encryption=config.get("encryption"),
            kms_key=config.get("kms_key"),
            owner=config.get("owner"),
            ca_file=path,
        )
