"""Lights: none yet."""

from __future__ import annotations

from node.parts import Leds, Sign


class NoLeds:
    def show(self, sign: Sign) -> None:
        return


def make_leds() -> Leds:
    return NoLeds()
