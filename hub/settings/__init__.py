"""The hub's settings: hub.yaml read, checked and typed."""

from .editor import json_schema
from .model import CameraPart, Http, Keep, NodeAccess, Part, Platforms, PolicySettings, School, Settings
from .read import http_settings, read_settings

__all__ = [
    "CameraPart",
    "Http",
    "Keep",
    "NodeAccess",
    "Part",
    "Platforms",
    "PolicySettings",
    "School",
    "Settings",
    "http_settings",
    "json_schema",
    "read_settings",
]
