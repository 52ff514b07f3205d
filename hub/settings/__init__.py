"""The hub's settings: hub.yaml read, checked and typed."""

from .editor import json_schema
from .model import CameraPart, Http, Keep, Part, Platforms, PolicySettings, School, Settings
from .read import read_settings

__all__ = [
    "CameraPart",
    "Http",
    "Keep",
    "Part",
    "Platforms",
    "PolicySettings",
    "School",
    "Settings",
    "json_schema",
    "read_settings",
]
