"""Distributions as pip would have installed them, made in a temporary folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent


def install(
    site: Path, distribution: str, module: str, source: str, *, platform: str | None = None, version: str = "1.0"
) -> None:
    """Puts a module and the metadata that offers it as `platform` (by default its own name) into `site`."""
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(dedent(source), encoding="utf-8")
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[fras.plugins]\n{platform or module} = {module}\n")


@contextmanager
def forgetting(site: Path) -> Iterator[None]:
    """Drops at the end what was imported from `site`, so that no later test finds a plugin of this one's."""
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(site)):
            del sys.modules[name]
