"""One hub a data folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hub.failure import Failure
from hub.lock import DataFolderInUse, lock_data_folder

HOLD = """
import sys, time
from pathlib import Path
from hub.lock import lock_data_folder
with lock_data_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_hub_is_told_who_the_first_is_until_it_dies(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        said = rf"already running on the data folder .* \(process {first.pid}\); stop it first"
        with pytest.raises(DataFolderInUse, match=said) as refused, lock_data_folder(folder):
            pass
        assert refused.value.pid == first.pid
        first.send_signal(signal.SIGKILL)
        first.wait()
    with lock_data_folder(folder):
        assert (folder / "hub.lock").read_text() == f"{os.getpid()}\n"
    with lock_data_folder(folder):
        pass


def test_an_unusable_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(Failure, match="cannot be used: Not a directory; give the user"),
        lock_data_folder(tmp_path / "file" / "data"),
    ):
        pass
