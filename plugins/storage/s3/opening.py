"""Opens the storage; imports boto3, so nobody imports this before it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub.plugin import Config, NeedsHuman, PluginContext

from .bucket import Bucket, connect
from .line import Line
from .options import Options
from .spool import Spool
from .storage import S3
from .uploads import Uploads


@asynccontextmanager
async def opened(config: Config, context: PluginContext) -> AsyncIterator[S3]:
    options = Options.of(config, context.base_folder)
    try:
        spool = await asyncio.to_thread(Spool, context.data_folder, options.spool)
    except OSError as error:
        raise NeedsHuman(
            f"storage s3: the folder {context.data_folder} cannot be used: {error.strerror}",
            hint="give the user that runs fras write access to it",
        ) from None
    line = Line(context, options)
    bucket = await line.call(lambda: Bucket(connect(options), options))
    uploads = Uploads(spool, bucket, line, options, context)
    try:
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(uploads.run(), name="s3 uploads")
            try:
                yield S3(spool, bucket, line, uploads, options)
            finally:
                working.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:  # what the storage's user raised is the user's own
            raise group.exceptions[0] from None
        raise
    finally:
        bucket.close()
