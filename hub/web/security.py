"""What keeps strangers' web pages away from a panel without accounts, and ours from loading anything of strangers."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from hub.settings.host import this_machine_only

from .problems import Handler, Problem

IMAGES = "img-src 'self'"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        IMAGES,
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer, with which browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""Of every answer, unless its handler says otherwise: pages show people, and no cache may keep them."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def images_also_from(origin: str) -> str:
    """A content security policy that lets a page show images of another origin, too."""
    return POLICY.replace(IMAGES, f"{IMAGES} {origin}")


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """A signal of `on_response_prepare`."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "FRAS"


@web.middleware
async def known_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses names that are not this machine's own: a stranger's name that leads here is DNS rebinding.

    The port does not matter: a tunnel may have another one at its near end.
    """
    if not this_machine_only(_name(request.headers.get("Host", ""))):
        raise Problem(
            421,
            "this panel answers only as localhost or 127.0.0.1, lest other web sites read it through your browser",
            hint="open http://127.0.0.1 with the hub's port; from another machine, through an ssh tunnel",
        )
    return await handler(request)


@web.middleware
async def own_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses what a browser sends for another site's page, except following a link to ours.

    By fetch metadata (https://www.w3.org/TR/fetch-metadata/), else by Origin. Programs send neither and pass.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    safe = request.method in SAFE
    if site is not None:
        followed = safe and request.headers.get("Sec-Fetch-Mode") == "navigate"
        foreign = site not in ("same-origin", "none") and not followed
    else:
        foreign = origin is not None and not safe and not _same(origin, request.headers.get("Host", ""))
    if foreign:
        raise Problem(403, "this request came from another web site", hint="do it on the panel's own pages")
    return await handler(request)


def _same(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False


def _name(host: str) -> str:
    """The host of a Host header, without port and brackets; empty for what is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.netloc == host and "@" not in host else ""
