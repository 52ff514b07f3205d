"""What Azure's refusals mean, in words for whoever runs the hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hub.plugin import NeedsHuman, NotReady, PluginError

LONGEST: Final = 160
"""Characters of the service's own words that are passed on."""
NO_SERVICE: Final = ("", "404", "NotFound", "ResourceNotFound")
"""Codes with status 404 of what is no Face service, another kind of resource perhaps."""


class Declined(NotReady):
    """Azure understood and refused, with a `code` of the Face API; the caller may know what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(
            f"Azure Face refused: {code}: {message}",
            hint="look at the resource in the Azure portal; if it lasts, report it to FRAS",
        )
        self.code = code


class CannotIdentify(NeedsHuman):
    """Azure will identify and enrol nobody here; it lists and deletes all the same."""


class QuotaReached(NeedsHuman):
    """What adds something is refused, and nothing else."""


class Unsure(NotReady):
    """A call that may not simply be made again got no answer: it may have been carried out, or not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is what the service sent, as bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        """Parsed JSON, None for an empty body. Raises ValueError for anything else."""
        return json.loads(self.body) if self.body.strip() else None


def refusal(answer: Answer, entra: bool) -> PluginError:
    """What an answer with status 300 to 499 means; `entra` when a token was shown rather than a key."""
    code, inner, message = _said(answer)
    if "UnsupportedFeature" in (code, inner):
        return CannotIdentify(
            "this Azure Face resource has no approval for identification (limited access: UnsupportedFeature)",
            hint="apply at https://aka.ms/facerecognition, wait for Microsoft's answer, and use an S0 or E0 resource of"
            " the approved subscription; until then choose onnx_local",
        )
    if code == "PermissionDenied":  # of a token, with status 401
        return _forbidden(message, entra)
    if code == "AuthenticationTypeDisabled":
        return NeedsHuman(
            "the Azure Face resource takes no keys (AuthenticationTypeDisabled)",
            hint="write recognizer->entra instead of key, or allow keys: --set properties.disableLocalAuth=false",
        )
    if answer.status == 401:
        return _unauthorized(entra)
    if code == "QuotaExceeded":
        return QuotaReached(f"a quota of Azure Face is used up: {message}", hint="free some, or move to tier S0")
    if answer.status == 403:
        return _forbidden(message, entra)
    if 300 <= answer.status < 400 or (answer.status == 404 and code in NO_SERVICE):
        return NeedsHuman(
            f"there is no Face service behind recognizer->endpoint (HTTP {answer.status})",
            hint="copy the endpoint from the portal: your Face resource, Keys and Endpoint",
        )
    return Declined(code or str(answer.status), message)


def _unauthorized(entra: bool) -> PluginError:
    if entra:
        return NeedsHuman(
            "Azure Face does not accept the Entra token",
            hint="recognizer->endpoint must be the resource's own (https://NAME.cognitiveservices.azure.com), and the"
            " tenant the one of its subscription",
        )
    return NeedsHuman(
        "Azure Face does not accept the key",
        hint="copy KEY 1 and the endpoint from the same resource (Keys and Endpoint in the portal): a key works in the"
        " region of its resource only",
    )


def _forbidden(message: str, entra: bool) -> PluginError:
    said = message.lower()
    if "volume quota" in said:
        return NotReady(f"the free calls of this month are used up: {message}", hint="wait, or move to tier S0")
    if "network" in said or "firewall" in said or "public access" in said:
        return NeedsHuman(
            "the Azure Face resource is closed to this network",
            hint="allow the school's address under Networking of the resource, or reach it by a private endpoint",
        )
    if entra:
        return NeedsHuman(
            f"the Entra application may not do this: {message}",
            hint="give it the role docs/recognition-azure.md describes, on the Face resource, and wait five minutes",
        )
    return NeedsHuman(f"Azure Face forbids this: {message}", hint="look at the resource in the Azure portal")


def _said(answer: Answer) -> tuple[str, str, str]:
    """Code, inner code and message; empty where the body is not an error of the Face API."""
    try:
        error = answer.content["error"]
        inner = error.get("innererror") or {}
        message = " ".join(str(inner.get("message") or error.get("message") or "").split())[:LONGEST]
        return str(error["code"]), str(inner.get("code", "")), message
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", "", ""
