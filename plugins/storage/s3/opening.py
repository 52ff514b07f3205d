"""Opens the storage; imports boto3, so nobody imports this before it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from hub.plugin import Config, NeedsHuman, PluginContext

from .bucket import Bucket, connect
from .line import Line
from .options import Options
from .spool import Spool
from .storage import S3
from .target import Target, bound
from .uploads import Uploads


@asynccontextmanager
async def opened(config: Config, context: PluginContext) -> AsyncIterator[S3]:
    options = Options.of(config, context.base_folder)
    line = Line(context, options)
    with ExitStack() as stack:
        try:
            spool = await asyncio.to_thread(_spool, stack, context.data_folder, config, options)
        except OSError as error:
            raise NeedsHuman(
                f"storage s3: the folder {context.data_folder} cannot be used: {error.strerror}",
                hint="give the user that runs fras write access to it",
            ) from None
        bucket = await line.call(lambda: Bucket(connect(options), options))
        stack.callback(bucket.close)
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


def _spool(stack: ExitStack, folder: Path, config: Config, options: Options) -> Spool:
    spool = Spool(folder, options.spool)
    stack.enter_context(bound(spool, folder, Target.of(config)))
    return spool
