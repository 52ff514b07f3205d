"""Addresses keep credentials apart, whatever is in them, and never show them."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import voluptuous as vol
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin import Permanent
from hub.plugin.live import Address, address

rtsp = address("rtsp", "rtsps")

WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_categories=("Cc", "Zs")), min_size=6)
HOSTS = st.sampled_from(("camera", "10.0.0.5", "10.0.0.5:8554", "[fe80::1]", "[fe80::1]:554", "a-b.school.example"))
PATHS = st.sampled_from(("", "/", "/live", "/Streaming/Channels/101", "/cam/realmonitor?channel=1&subtype=0"))


@given(user=WORDS, password=WORDS, host=HOSTS, path=PATHS)
def test_encoded_credentials_are_taken_apart_and_put_together(user: str, password: str, host: str, path: str) -> None:
    found = rtsp(f"rtsp://{quote(user, safe='')}:{quote(password, safe='')}@{host}{path}")
    assert (found.url, found.user, found.password) == (f"rtsp://{host}{path}", user, password)
    assert rtsp(found.full) == found
    assert Address(found.url).with_login(user, password) == found


@given(user=WORDS, password=WORDS, host=HOSTS, path=PATHS)
def test_nothing_shows_them(user: str, password: str, host: str, path: str) -> None:
    made = Address(f"rtsp://{host}{path}", user, password)
    assert made.shown == Address(f"rtsp://{host}{path}").shown
    assert repr(made) == "Address()"


@given(text=st.text(alphabet="ab1@:/#?.[]%", max_size=14))
def test_any_text_is_one_reading_or_an_error(text: str) -> None:
    try:
        found = rtsp(f"rtsp://{text}")
    except vol.ValueInvalid:
        return
    assert rtsp(found.full) == found
    assert "@" not in found.shown


@pytest.mark.parametrize("password", ["p@ss", "p:ss", "p/ss", "p#ss", "p/s@s#", "#", "p?", "@@", "a b", "50%off"])
def test_a_password_may_hold_them_as_they_are(password: str) -> None:
    found = rtsp(f"rtsp://admin:{password}@10.0.0.5/live")
    assert (found.user, found.password, found.shown) == ("admin", password, "rtsp://10.0.0.5/…")


@pytest.mark.parametrize(
    "url", ["rtsp://admin:12/34@camera/live", "rtsp://admin:p@ss/word@camera/live", "rtsp://camera/live@main"]
)
def test_two_readings_are_none(url: str) -> None:
    with pytest.raises(vol.ValueInvalid, match="keys of their own"):
        rtsp(url)


@pytest.mark.parametrize("url", ["", "camera", "http://camera", "rtsp://", "rtsp:///x", "rtsp://:554/", "rtsp://c:0/",
                                 "rtsp://c:99999/", "rtsp://a b/", 7, None])  # fmt: skip
def test_what_is_no_address_is_refused(url: object) -> None:
    with pytest.raises(vol.ValueInvalid, match=";"):
        rtsp(url)


@pytest.mark.parametrize(
    "after",
    ["/9KJ2hQxTpQ7sLmA?enableSrtp", "/user=admin&password=9KJ2/1", "/live?pwd=9KJ2", "?9KJ2", "#9KJ2", "/live;9KJ2"],
)
def test_what_follows_the_host_is_not_shown(after: str) -> None:
    """It may be a token: UniFi Protect's addresses are nothing else."""
    assert rtsp(f"rtsps://camera:7441{after}").shown == "rtsps://camera:7441/…"


@pytest.mark.parametrize("after", ["", "/"])
def test_a_host_alone_is_shown_as_it_is(after: str) -> None:
    assert rtsp(f"rtsp://camera{after}").shown == "rtsp://camera"


def test_twice_is_an_error() -> None:
    with pytest.raises(Permanent, match="rtsp://c are given twice"):
        rtsp("rtsp://a:secret@c/").with_login("a", "secret")
