"""Whether files can be put into a folder."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final

_BLOCK: Final = 4096


def free_in(folder: Path) -> int:
    """Bytes free for files in `folder`, an absolute path that is there or can be made. Leaves nothing there; blocks.

    Raises OSError as a file there would: its `filename` is what is in the way.
    """
    place = next(above for above in (folder, *folder.parents) if _is_there(above))
    if not stat.S_ISDIR(place.stat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(place))
    try:
        with tempfile.TemporaryFile(dir=place) as file:  # where the file system can, it never has a name
            file.write(bytes(_BLOCK))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), os.fspath(place)) from None
    return shutil.disk_usage(place).free


def _is_there(place: Path) -> bool:
    try:
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
