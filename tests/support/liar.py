"""Somebody in the network who claims to be a hub: announces itself under the hub's very name, and has another key.

    python -m tests.support.liar ADDRESS PORT PIN FILE

It says who came in FILE: a line for each connection with the number of bytes that it was told over TLS.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from node.discovery import SERVICE
from tests.support.small_hub import Key


async def lie(address: str, port: int, pin: str, told: Path) -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = await reader.read()
        with told.open("a") as file:
            file.write(f"{len(heard)}\n")
        writer.close()

    name = f"fras-{pin[:8]}"
    info = AsyncServiceInfo(
        SERVICE, f"FRAS {pin[:8]}.{SERVICE}", port=port, server=f"{name}.local.", parsed_addresses=[address]
    )
    with TemporaryDirectory() as folder:
        server = await asyncio.start_server(listen, address, port, ssl=Key(Path(folder), "liar").context)
    async with server:
        radio = AsyncZeroconf(interfaces=[address])
        await radio.async_register_service(info, cooperating_responders=True)  # asks nobody whether the name is taken
        print("announced", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(lie(sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])))
