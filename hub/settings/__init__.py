"""The hub's settings: hub.yaml read, checked and typed."""

from .editor import json_schema
from .model import (
    Agreeing,
    CameraPart,
    Chained,
    Http,
    Keep,
    NodeAccess,
    Part,
    Platforms,
    PolicySettings,
    RecognizerPart,
    Recognizers,
    School,
    Settings,
)
from .read import http_settings, read_settings

__all__ = [
    "Agreeing",
    "CameraPart",
    "Chained",
    "Http",
    "Keep",
    "NodeAccess",
    "Part",
    "Platforms",
    "PolicySettings",
    "RecognizerPart",
    "Recognizers",
    "School",
    "Settings",
    "http_settings",
    "json_schema",
    "read_settings",
]
