"""What a jurisdiction bars or asks for. Facts to design by, not legal advice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Law:
    """`barred`: face recognition may not be used in schools there. `fact` and `hint` tell the school."""

    fact: str = ""
    hint: str = ""
    barred: bool = False


JURISDICTIONS: dict[str, Law] = {
    "other": Law(),
    "eu": Law(
        "pupils' consent alone was held invalid for face recognition (GDPR Art. 9; Skellefteå 2019, Marseille 2020)",
        "make a data protection impact assessment and ask your authority before recording anybody",
    ),
    "uk": Law(
        "the Protection of Freedoms Act 2012, s26, applies: one objection overrides every consent",
        "notify each parent, have one parent's written consent, and offer an alternative",
    ),
    "us": Law(
        "face templates are education records (FERPA, 34 CFR 99.3), and COPPA asks for a written retention policy",
        "publish one that says what storage->keep says",
    ),
    "us-il": Law(
        "105 ILCS 5/10-20.40 applies: written permission, and destruction within 30 days of discontinuation",
        "run fras erase when a pupil leaves",
    ),
    "us-ny": Law(
        "face recognition is barred in New York's schools (State Technology Law 106-b; Education Department, 2023)",
        "FRAS recognises faces and nothing else yet: it cannot be used there",
        barred=True,
    ),
}
"""By the value of `hub->jurisdiction`."""
