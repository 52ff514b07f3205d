"""The FRAS hub: cameras in, attendance out."""

__version__ = "0.1.0"
