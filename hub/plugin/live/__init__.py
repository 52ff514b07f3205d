"""Cameras that show what is now: reading video streams, choosing what the hub needs to see, knowing a blind lens.

Importing this package is light: PyAV and Pillow are loaded by the first call that needs them.
"""

from .addresses import Address, address
from .proof import Proof
from .reader import Explain
from .shots import Shot, jpeg_shot
from .video import Video
from .watch import watch

__all__ = ["Address", "Explain", "Proof", "Shot", "Video", "address", "jpeg_shot", "watch"]
