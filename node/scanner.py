"""A program that reads QR codes: pictures come by standard input, for each a line of JSON with the texts goes out.

A process of its own, so that the library's memory goes with it, and so that nothing held before a camera brings down
more than it. It ends by itself a minute after the last picture. It imports nothing of the node.
"""

from __future__ import annotations

import json
import struct
import sys
from select import select
from typing import Any, Final

SIZE: Final = struct.Struct(">II")
"""Height and width; as many bytes of brightness follow, row by row."""
IDLE: Final = 60.0


def main() -> None:
    pictures, texts = sys.stdin.buffer, sys.stdout
    while select([pictures], [], [], IDLE)[0] and len(header := pictures.read(SIZE.size)) == SIZE.size:
        height, width = SIZE.unpack(header)
        picture = memoryview(pictures.read(height * width)).cast("B", (height, width))
        texts.write(json.dumps(codes(picture)) + "\n")
        texts.flush()


def codes(picture: memoryview) -> list[str]:
    import zxingcpp

    library: Any = zxingcpp  # newer ones have types, which Debian's does not fit
    return [code.text for code in library.read_barcodes(picture, formats=library.BarcodeFormat.QRCode)]


if __name__ == "__main__":
    main()
