"""A stand-in for Azure Face v1.2, as strict as its description, and pictures it recognises."""

from . import faults
from .pictures import crop
from .server import FakeAzure, serving

__all__ = ["FakeAzure", "crop", "faults", "serving"]
