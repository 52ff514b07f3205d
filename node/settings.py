"""/etc/fras-node/node.yaml: what is known of this board before any hub is; everything else the hub says."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import voluptuous as vol
import yaml

from node import cameras

DEFAULT: Final = Path("/etc/fras-node/node.yaml")
DATA: Final = Path("/var/lib/fras-node")
_SCHEMA: Final = vol.Schema(
    {
        vol.Optional("camera", default={"platform": "picamera2"}): vol.Schema(
            {vol.Required("platform"): str}, extra=vol.ALLOW_EXTRA
        ),
        vol.Optional("data", default=str(DATA)): vol.All(str, vol.Length(1)),
    }
)


class SettingsError(Exception):
    """The text names the file, what is wrong in it, and what would be right."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`camera` is the module of the platform, `options` what it is told; `data` holds identity and spool."""

    camera: ModuleType
    options: Mapping[str, Any]
    data: Path


def read_settings(file: Path, data: Path | None = None) -> Settings:
    """Without the default file the defaults hold; `data` counts more than the file. Raises SettingsError."""
    try:
        found = _SCHEMA(_content(file))
        options = dict(found["camera"])
        camera = _camera(options.pop("platform"))
        options = vol.Schema(camera.CONFIG_SCHEMA)(options)
    except vol.Invalid as error:
        where = "->".join(map(str, error.path))
        raise SettingsError(f"{file}: {error.error_message}{f' ({where})' if where else ''}") from None
    return Settings(camera, options, data or Path(found["data"]))


def _content(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text("utf-8")) or {}
    except FileNotFoundError:
        if file == DEFAULT:
            return {}
        raise vol.Invalid("there is no such file") from None
    except OSError as error:
        raise vol.Invalid(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise vol.Invalid("is no text in UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark is not None else ""
        raise vol.Invalid(f"is no YAML{line}: {getattr(error, 'problem', None) or 'it cannot be read'}") from None


def _camera(platform: str) -> ModuleType:
    known = sorted(module.name for module in pkgutil.iter_modules(cameras.__path__))
    if not re.fullmatch("[a-z0-9_]+", platform) or platform not in known:
        raise vol.Invalid(f"there is no camera '{platform[:40]}'; there are {', '.join(known)}", path=["camera"])
    return importlib.import_module(f"node.cameras.{platform}")
