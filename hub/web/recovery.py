"""The page that a hub shows while it cannot run: what is wrong, where, and what to do. Needs no database."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from html import escape
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from .problems import API
from .server import guarded

STATIC = Path(__file__).parent / "static"
TYPES = {"fras.css": "text/css", "recovery.js": "text/javascript", "icon.svg": "image/svg+xml"}
RETRY_AFTER = {"Retry-After": "5"}
TALLY = (
    '<svg class="tally-mark" viewBox="0 0 32 24" aria-hidden="true">'
    '<path d="M5 3v18M12 3v18M19 3v18M26 3v18"/><path class="stroke" d="M1 19 31 5"/></svg>'
)
"""The sign of templates/base.html, without Jinja."""
DETAIL = "the hub cannot run"


@dataclass(frozen=True, slots=True)
class Finding:
    """`file` and `line` say where, if it is in a file; `hint` the next step, or empty."""

    what: str
    hint: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the hub does not run, and what makes it try again, as a sentence."""

    findings: Sequence[Finding]
    next_try: str


def recovery(trouble: Callable[[], Trouble]) -> web.Application:
    """A site of this one page, whatever is asked for: status 503, for programs as RFC 9457 problem details."""

    async def page(request: web.Request) -> web.Response:
        now = trouble()
        if request.path.startswith(API):
            told = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": DETAIL}
            text = json.dumps(told | asdict(now), ensure_ascii=False)
            return web.Response(status=503, text=text, content_type="application/problem+json", headers=RETRY_AFTER)
        return web.Response(status=503, text=_page(now), content_type="text/html", headers=RETRY_AFTER)

    async def static(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.Response(body=(STATIC / name).read_bytes(), content_type=TYPES[name], charset="utf-8")

    app = guarded()
    app.router.add_get(f"/recovery/{{name:{'|'.join(map(_pattern, TYPES))}}}", static)
    app.router.add_route("*", "/{tail:.*}", page)
    return app


def _pattern(name: str) -> str:
    return name.replace(".", r"\.")


def _page(trouble: Trouble) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>The hub cannot run · FRAS</title>
  <link rel="icon" href="/recovery/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/recovery/fras.css">
  <script type="module" src="/recovery/recovery.js"></script>
</head>
<body>
<header class="top"><p class="brand">{TALLY}<span>FRAS</span></p></header>
<main id="content" class="sheet" data-recovery>
<header class="head">
  <p class="margin kicker">{HTTPStatus.SERVICE_UNAVAILABLE}</p>
  <div class="body">
    <h1>The hub cannot run</h1>
    <p>Nothing is recorded now. What was acknowledged before is safe.</p>
  </div>
</header>
<ul class="entries" role="list">{"".join(map(_entry, trouble.findings))}</ul>
<div class="entry">
  <p class="margin"></p>
  <p class="body">{escape(trouble.next_try)} This page then gives way to the panel.</p>
</div>
</main>
</body>
</html>
"""


def _entry(finding: Finding) -> str:
    margin = f"line {finding.line}" if finding.line else ""
    file = f"<p><code>{escape(finding.file)}</code></p>" if finding.file else ""
    hint = f'<p class="quiet">{escape(_sentence(finding.hint))}</p>' if finding.hint else ""
    what = f"<p>{escape(_sentence(finding.what))}</p>"
    return f'<li class="entry"><p class="margin">{margin}</p><div class="body">{file}{what}{hint}</div></li>'


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(("?", "!", ".")) else ".")
