"""`/static/…`: the style sheet, scripts and icon, read once when the module is imported."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aiohttp import ETag, web

from hub.web.problems import Problem

FOLDER = Path(__file__).parents[1] / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}
TAGS = {name: hashlib.sha256(content).hexdigest()[:12] for name, content in FILES.items()}


async def static(request: web.Request) -> web.Response:
    return _file(request, request.match_info["name"])


async def icon(request: web.Request) -> web.Response:
    """Browsers ask for this by themselves."""
    return _file(request, "icon.svg")


def _file(request: web.Request, name: str) -> web.Response:
    if name not in FILES:
        raise Problem(404, "there is nothing at this address", hint="start again at /")
    known = any(one.value == TAGS[name] for one in request.if_none_match or ())
    answer = web.Response(status=304) if known else web.Response(body=FILES[name], charset="utf-8")
    if not known:
        answer.content_type = TYPES[Path(name).suffix]
    answer.etag = ETag(TAGS[name])
    # Asked for each time, which costs little on a LAN, so that an upgraded hub is not shown by old scripts.
    answer.headers["Cache-Control"] = "no-cache"
    return answer
