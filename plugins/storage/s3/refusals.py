"""What the server will not do with one object, though the bucket can be used: it holds up no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError

from .bucket import Bucket
from .meanings import PAGE, Refused, status_of
from .options import Options


@dataclass(frozen=True, slots=True)
class Deed:
    """`look_at` is what may forbid it."""

    name: str
    look_at: str


PUT: Final = Deed("put", "the right s3:PutObject, the key's kms:GenerateDataKey, and a filter in between")
READ: Final = Deed("read", "the rights s3:GetObject and kms:Decrypt, and a storage class that must be restored first")
DELETED: Final = Deed(
    "deleted",
    "the rights to delete and to see versions, Object Lock and legal holds: a locked picture cannot be erased",
)


@contextmanager
def of_one(bucket: Bucket, deed: Deed, options: Options) -> Iterator[None]:
    """Raises Refused for a 401, 403 or 501, unless the bucket as a whole answers so: then what that answers."""
    try:
        yield
        return
    except ClientError as error:
        status = status_of(error)
        if status not in (401, 403, 501):
            raise
    bucket.look()
    if status == 501 and deed is PUT and options.encryption:
        raise Refused(
            f"{options.where} does not support what storage: encryption: {options.encryption} asks for ({status})",
            hint="leave encryption: out, or take a server that does",
        )
    raise Refused(f"{options.where} does not let it be {deed.name} ({status})", hint=f"look at {deed.look_at} ({PAGE})")
