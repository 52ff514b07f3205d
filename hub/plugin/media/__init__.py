"""Images and videos for plugins and the hub: finding, telling apart, decoding, encoding, dating.

Importing this package is light: Pillow and PyAV are loaded by the first call that needs them.
"""

from .dates import captured_at
from .files import Kind, classify, walk
from .movies import movie, recorded_at
from .stills import MOST_BYTES, MOST_PIXELS, Unreadable, crop_jpeg, cut, decode, encode_jpeg, enlarged

__all__ = [
    "MOST_BYTES",
    "MOST_PIXELS",
    "Kind",
    "Unreadable",
    "captured_at",
    "classify",
    "crop_jpeg",
    "cut",
    "decode",
    "encode_jpeg",
    "enlarged",
    "movie",
    "recorded_at",
    "walk",
]
