"""The bytes of every message, as a node in another language must write and read them. They never change."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import get_args

import pytest

from node.wire import (
    Accepted,
    Acknowledged,
    Configure,
    Configured,
    Credential,
    Dropped,
    FromHub,
    FromNode,
    Health,
    Hello,
    Identify,
    Invitation,
    Moment,
    Pair,
    Picture,
    PictureKind,
    Ping,
    Pong,
    Refused,
    Rotate,
    Rotated,
    TakeSnapshot,
    Update,
    Waiting,
    Watched,
    Welcome,
    decode_from_hub,
    decode_from_node,
    decode_picture,
    encode,
    encode_picture,
    proof_of,
)

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text("utf-8"))
TOKEN, SECRET = bytes(range(20)), bytes(range(32))
AT = Moment(1795379620567257, 3600000001, 0xDEADBEEF, synchronised=True)

FROM_NODE: list[FromNode] = [
    Pair(TOKEN, SECRET, "fras-node 1", "Raspberry Pi Zero W"),
    Hello("n-0123abcd", SECRET, 3, 41, AT, "fras-node 1", "Raspberry Pi Zero W"),
    Watched(42, AT, 0.75),
    Watched(43, AT),
    Dropped(5, 9, 4, "full"),
    Pong(7, AT),
    Health(3600.5, 48.25, 12000000000, 41000000, -61.0, 3, 700000, 100, 20, {"full": 4}, True, ("hot",)),
    Health(1.0),
    Configured("v1"),
    Configured("v2", "no such resolution"),
    Credential(SECRET),
    Pair(TOKEN, SECRET, "fras-node 1", was="n-0123abcd"),
    Health(1.0, incidents={"another key": 2}),
]
FROM_HUB: list[FromHub] = [
    Accepted("n-0123abcd", 4),
    Waiting(),
    Welcome(1795379620567257, 8, 4194304, 41, "v1", {"interval": 1.0, "active": [[1, 2]]}),
    Welcome(1795379620567257, 8, 4194304, 41, "v1", {}, SECRET),
    Acknowledged(((1, 3), (5, 5)), 4),
    Refused(6, "it is no JPEG", 1),
    Ping(7, 1795379620567257),
    Configure("v2", {"quality": 70}),
    TakeSnapshot(2),
    Identify(10.0),
    Rotate(),
    Rotated(),
    Update("1.2", "apt"),
    Accepted("n-0123abcd", 4, proof_of(sha256(SECRET).digest(), bytes(32), TOKEN, SECRET)),
]
PICTURES = [
    Picture(PictureKind.FRAME, 42, AT, b"\xff\xd8\xff\xd9", live=True),
    Picture(PictureKind.SNAPSHOT, 2, Moment(-1, 0, 0), b"\xff\xd8\xff\xd9"),
]
INVITATIONS = [
    Invitation("fras.school.example", 8124, TOKEN, bytes(32), b"\xff" * 32),
    Invitation("2001:db8::1", 8124, bytes(range(16)), bytes(32), b"\xff" * 32, ("Caretakers", "pa ss/wörd")),
]


def test_every_kind_of_message_is_here() -> None:
    assert {type(message) for message in FROM_NODE} == set(get_args(FromNode))
    assert {type(message) for message in FROM_HUB} == set(get_args(FromHub))


@pytest.mark.parametrize(("message", "text"), [*zip(FROM_NODE, GOLDEN["from_node"], strict=True)])
def test_what_a_node_says(message: FromNode, text: str) -> None:
    assert encode(message) == text
    assert decode_from_node(text) == message


@pytest.mark.parametrize(("message", "text"), [*zip(FROM_HUB, GOLDEN["from_hub"], strict=True)])
def test_what_a_hub_says(message: FromHub, text: str) -> None:
    assert encode(message) == text
    assert decode_from_hub(text) == message


@pytest.mark.parametrize(("picture", "data"), [*zip(PICTURES, GOLDEN["pictures"], strict=True)])
def test_pictures(picture: Picture, data: str) -> None:
    assert encode_picture(picture).hex() == data
    assert decode_picture(bytes.fromhex(data)) == picture


@pytest.mark.parametrize(("invitation", "uri"), [*zip(INVITATIONS, GOLDEN["invitations"], strict=True)])
def test_invitations(invitation: Invitation, uri: str) -> None:
    assert invitation.uri() == uri
    assert Invitation.of(uri) == invitation
