"""A network namespace, and a bad wire from it to this one: two TUN devices with a loss and a latency between them.

Both ends are the kernel's own TCP. The wire is ours, since few kernels bring `tc netem` along. `cabled` is a good wire
between two namespaces, on which multicast works, too.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

TUN = "/dev/net/tun"
TUNSETIFF = 0x400454CA
"""linux/if_tun.h, as the next two."""
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
LARGEST_PACKET = 65536


def missing() -> str:
    """Why there can be no namespaces with such a wire here; empty where there can."""
    if problem := without_namespaces():
        return problem
    try:
        os.close(_tun(_name()))
    except OSError as error:
        return f"{TUN} cannot be used: {error.strerror}"
    return ""


def without_namespaces() -> str:
    """Why there can be no namespaces here; empty where there can."""
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = _name()
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode != 0:
        return "this machine lets nobody make network namespaces"
    _ip("netns", "delete", name)
    return ""


def without_cables() -> str:
    """Why two namespaces cannot be joined here; empty where they can."""
    if problem := without_namespaces():
        return problem
    try:
        with cabled():
            return ""
    except subprocess.CalledProcessError:
        return "this kernel has no pairs of virtual network cards (veth)"


@dataclass(frozen=True)
class Machine:
    """A namespace with one network card, which has the namespace's name."""

    name: str

    def command(self, *words: str) -> list[str]:
        """For a program that runs here."""
        return ["ip", "netns", "exec", self.name, *words]

    def gets(self, address: str) -> None:
        _ip("-n", self.name, "address", "add", f"{address}/24", "dev", self.name)

    def loses(self, address: str) -> None:
        _ip("-n", self.name, "address", "delete", f"{address}/24", "dev", self.name)


@contextmanager
def cabled() -> Iterator[tuple[Machine, Machine]]:
    """Two new namespaces with an Ethernet cable between them, and no addresses yet; both are gone afterwards."""
    one, other = Machine(_name()), Machine(_name())
    with ExitStack() as stack:
        for machine in (one, other):
            stack.enter_context(_namespace(machine.name))
        far = ("peer", "name", other.name, "netns", other.name)
        _ip("link", "add", one.name, "netns", one.name, "type", "veth", *far)
        for machine in (one, other):
            for device in ("lo", machine.name):
                _ip("-n", machine.name, "link", "set", device, "up")
        yield one, other


@dataclass
class Wire:
    """`near` is this machine's address on it, to be listened at, `namespace` what is at its far end.

    `loss` is how likely a packet is to vanish, unless the two before it did, `latency` the seconds that each other
    one takes, both for each way. With longer runs of losses TCP doubles its pauses to minutes.
    """

    near: str
    namespace: str
    device: str
    loss: float = 0.0
    latency: float = 0.0
    lost: int = 0
    carried: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(4))
    _in_a_row: Counter[int] = field(default_factory=Counter)

    def command(self, *words: str) -> list[str]:
        """For a program that runs at the far end."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def down(self) -> None:
        """Pulls the plug at this end."""
        _ip("link", "set", self.device, "down")

    def up(self) -> None:
        _ip("link", "set", self.device, "up")

    def heal(self) -> None:
        self.loss = self.latency = 0.0
        self.up()

    def carry(self, source: int, target: int) -> None:
        """What has come to one end."""
        with suppress(OSError):  # nothing more, or a device that is down
            while packet := os.read(source, LARGEST_PACKET):
                if self._in_a_row[source] < 2 and self.chance.random() < self.loss:
                    self.lost += 1
                    self._in_a_row[source] += 1
                else:
                    self._in_a_row[source] = 0
                    asyncio.get_running_loop().call_later(self.latency, self._arrive, target, packet)

    def _arrive(self, target: int, packet: bytes) -> None:
        try:
            os.write(target, packet)
            self.carried += 1
        except OSError:
            self.lost += 1


@asynccontextmanager
async def wired() -> AsyncIterator[Wire]:
    """A new namespace at the far end of a wire; both are gone afterwards. Works while the event loop does."""
    name, number = _name(), random.SystemRandom().randrange(1 << 15)
    near, far = (f"198.{18 + (number >> 14)}.{number >> 6 & 255}.{(number & 63) * 4 + end}" for end in (1, 2))
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        stack.enter_context(_namespace(name))
        here, there = f"{name}a", f"{name}b"
        ends = []
        for device in (here, there):
            ends.append(_tun(device))
            stack.callback(os.close, ends[-1])
        _ip("link", "set", there, "netns", name)
        _ip("address", "add", near, "peer", far, "dev", here)
        _ip("link", "set", here, "up")
        _ip("-n", name, "address", "add", far, "peer", near, "dev", there)
        for device in (there, "lo"):
            _ip("-n", name, "link", "set", device, "up")
        wire = Wire(near, name, here)
        for source, target in (ends, ends[::-1]):
            loop.add_reader(source, wire.carry, source, target)
            stack.callback(loop.remove_reader, source)
        yield wire


@contextmanager
def _namespace(name: str) -> Iterator[None]:
    _ip("netns", "add", name)
    try:
        yield
    finally:
        _ip("netns", "delete", name)


def _name() -> str:
    """Short enough for a device."""
    return f"fras{os.urandom(4).hex()}"


def _tun(name: str) -> int:
    """A device that is there for as long as the descriptor is open, which does not block. Raises OSError."""
    end = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(end)
        raise
    return end


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
