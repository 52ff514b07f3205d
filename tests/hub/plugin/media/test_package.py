"""The package as plugin authors meet it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hub.plugin import media


def test_importing_it_loads_no_decoder() -> None:
    script = "import sys, hub.plugin.media; print({'PIL', 'av', 'cv2'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[4],
    )
    assert done.stdout.strip() == "set()"


def test_everything_offered_is_documented() -> None:
    for name in media.__all__:
        if callable(member := getattr(media, name)):
            assert (member.__doc__ or "").strip(), name
