"""The camera side of FRAS: a process for small boards that keeps every picture until its hub has it."""

__version__ = "0.1.0"
