"""Whatever is said comes back as it was, and nothing that a stranger sends does more than fail."""

from __future__ import annotations

import json
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.wire import (
    LARGEST_NUMBER,
    LONGEST_TEXT,
    Acknowledged,
    Credential,
    Dropped,
    Health,
    Hello,
    Invitation,
    Moment,
    Pair,
    Picture,
    PictureKind,
    Pong,
    Watched,
    Welcome,
    WireError,
    decode_from_hub,
    decode_from_node,
    decode_picture,
    encode,
    encode_picture,
)

whole = st.integers(-LARGEST_NUMBER, LARGEST_NUMBER)
natural = st.integers(0, LARGEST_NUMBER)
moments = st.builds(Moment, whole, natural, st.integers(0, 2**32 - 1), st.booleans())
number = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(max_size=40)
secret = st.binary(min_size=32, max_size=32)
from_node = st.one_of(
    st.builds(Pair, st.binary(min_size=16, max_size=40), secret, words, words, natural),
    st.builds(Hello, words, secret, natural, natural, moments, words, words, natural),
    st.builds(Watched, natural, moments, st.none() | number),
    st.builds(Dropped, natural, natural, natural, words),
    st.builds(Pong, natural, moments),
    st.builds(
        Health,
        number,
        st.none() | number,
        problems=st.tuples(words),
        dropped=st.dictionaries(words, natural),
        incidents=st.none() | st.dictionaries(words, natural),
    ),
    st.builds(Credential, secret),
)
from_hub = st.one_of(
    st.builds(Acknowledged, st.lists(st.tuples(natural, natural)).map(tuple), natural),
    st.builds(Welcome, natural, natural, natural, natural, words, st.dictionaries(words, number | words)),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "seq",
    "at",
    "node",
    "credential",
    "epoch",
    "last",
    "now",
    "token",
    "ranges",
    "wall",
    "mono",
    "boot",
    "config",
)


@given(from_node)
def test_a_nodes_words_come_back(message: object) -> None:
    assert decode_from_node(encode(message)) == message  # type: ignore[arg-type]


@given(from_hub)
def test_a_hubs_words_come_back(message: object) -> None:
    assert decode_from_hub(encode(message)) == message  # type: ignore[arg-type]


@given(st.text() | json_values.map(lambda value: json.dumps(value)))
def test_nonsense_is_an_error_of_the_wire(text: str) -> None:
    for decode in (decode_from_node, decode_from_hub):
        with suppress(WireError):
            assert decode(text) is None


@given(
    st.sampled_from(
        ["pair", "hello", "watched", "pong", "health", "credential", "acknowledged", "welcome", "configure"]
    ),
    st.dictionaries(st.sampled_from(FIELDS), json_values),
)
def test_a_message_of_wrong_fields_is_an_error_that_quotes_nothing(name: str, fields: dict[str, object]) -> None:
    text = json.dumps({**fields, "type": name})
    said = ""
    for decode in (decode_from_node, decode_from_hub):
        try:
            decode(text)
        except WireError as error:
            said += str(error)
    given_ = [value for value in fields.values() if isinstance(value, str) and len(value) > 6]
    assert not [value for value in given_ if value in said]


@pytest.mark.parametrize("number", [LARGEST_NUMBER + 1, -LARGEST_NUMBER - 1, 1.5, "1", True])
def test_numbers_are_whole_and_within_what_json_keeps(number: object) -> None:
    with pytest.raises(WireError, match=r"watched\.seq"):
        decode_from_node(json.dumps({"type": "watched", "seq": number, "at": {"wall": 0, "mono": 0, "boot": 0}}))


def test_what_is_null_is_missing_and_what_is_new_is_passed_over() -> None:
    at = {"wall": 0, "mono": 0, "boot": 0, "leap": 1}
    text = json.dumps({"type": "watched", "seq": 1, "at": at, "lens": None, "colour": "red"})
    assert decode_from_node(text) == Watched(1, Moment(0, 0, 0))
    assert decode_from_node('{"type":"song"}') is None
    with pytest.raises(WireError, match="watched has no seq"):
        decode_from_node(json.dumps({"type": "watched", "seq": None, "at": at}))


@pytest.mark.parametrize(
    "text", ["[" * 50_000, "NaN", '{"type":"health","uptime":NaN}', '{"type":"health","uptime":1e999}']
)
def test_what_only_some_json_readers_take_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        decode_from_node(text)


def test_a_text_is_measured_in_bytes() -> None:
    filler = LONGEST_TEXT - len('{"type":"song","x":""}')
    assert decode_from_node('{"type":"song","x":"%s"}' % ("x" * filler)) is None
    with pytest.raises(WireError, match="at most"):
        decode_from_node('{"type":"song","x":"%s"}' % ("ä" * (filler // 2 + 1)))


pictures = st.builds(Picture, st.sampled_from(PictureKind), natural, moments, st.binary(max_size=64), st.booleans())


@given(pictures)
def test_pictures_come_back(picture: Picture) -> None:
    assert decode_picture(encode_picture(picture)) == picture


@given(st.binary(max_size=120))
def test_nonsense_is_no_picture(data: bytes) -> None:
    try:
        found = decode_picture(data)
    except WireError:
        return
    assert found is None or encode_picture(found)[40:] == found.jpeg


@given(pictures.filter(lambda picture: bool(picture.jpeg)), st.data())
def test_a_flipped_bit_of_a_picture_is_found(picture: Picture, data: st.DataObject) -> None:
    changed = bytearray(encode_picture(picture))
    bit = data.draw(st.integers(40 * 8, len(changed) * 8 - 1))
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WireError, match="checksum"):
        decode_picture(bytes(changed))


def test_a_longer_header_is_passed_over() -> None:
    jpeg = b"\xff\xd8"
    header = struct.pack(">BBHIQqQII", 1, 0, 44, zlib.crc32(jpeg), 1, 2, 3, 4, 0)
    assert decode_picture(header + b"new!" + jpeg) == Picture(PictureKind.FRAME, 1, Moment(2, 3, 4), jpeg)
    with pytest.raises(WireError, match="outside"):
        decode_picture(header)


hosts = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,8}){0,3}", fullmatch=True) | st.ip_addresses().map(
    str
)
networks = st.none() | st.tuples(st.text(max_size=32), st.text(max_size=63))
pin = st.binary(min_size=32, max_size=32)
invitations = st.builds(
    Invitation, hosts, st.integers(1, 65535), st.binary(min_size=16, max_size=32), pin, pin, networks
)


@given(invitations)
def test_invitations_come_back_from_whatever_case(invitation: Invitation) -> None:
    uri = invitation.uri()
    assert uri == uri.upper()
    assert Invitation.of(uri) == Invitation.of(f"  {uri.lower()}\n") == invitation


@given(st.text() | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567/:.", max_size=300).map("FRAS://HUB:8124/1/{}".format))
def test_nonsense_is_no_invitation(text: str) -> None:
    with pytest.raises(WireError) as raised:
        Invitation.of(text)
    assert len(text) < 8 or text not in str(raised.value)


@pytest.mark.parametrize("token", [b"", bytes(15)])
def test_a_short_token_is_none(token: bytes) -> None:
    with pytest.raises(WireError, match="16 bytes"):
        Invitation("hub", 1, token, bytes(32), bytes(32))


def test_secrets_are_in_no_representation() -> None:
    invitation = Invitation("hub", 1, b"sixteen bytes at least", bytes(32), bytes(32), ("home", "hunter2hunter2"))
    assert "sixteen" not in repr(invitation)
    assert "hunter2" not in repr(invitation)
