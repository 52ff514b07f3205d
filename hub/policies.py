"""Which thresholds hold: hub.yaml's, else those calibrated on the school's own gallery, else the model's."""

from __future__ import annotations

from dataclasses import replace

from hub.db import settings as stored
from hub.db.engine import Database
from hub.plugin import Model
from hub.recognition.policy import Gates, Policy, Thresholds
from hub.settings import PolicySettings

SHARP = 8.0
"""Sharpness a portrait needs. 641 photographs of LFW (faces of 100 px) have 8.1 and more with the dlib pack, 16.7 with
YuNet + 0095; blurred by 2 px (Gaussian sigma) they have at most 7.6 with dlib."""
FACING = 60.0
"""Degrees of yaw or pitch beyond which a portrait serves nobody: all but one of those 641 are within."""


def calibration_key(model_id: str) -> str:
    """Where the database keeps what `fras calibrate` measured for a model."""
    return f"calibration:{model_id}"


async def policy_for(database: Database, model: Model, configured: PolicySettings) -> Policy:
    """The policy that faces embedded by `model` are judged by."""
    async with database.read() as connection:
        calibration = await stored.get(connection, calibration_key(model.id)) or {}
    calibrated = calibration.get("thresholds", {})

    def chosen(name: str, measured: float) -> float:
        value = getattr(configured, name)
        return float(calibrated.get(name, measured) if value is None else value)

    threshold = chosen("threshold", model.threshold)
    single_frame = max(threshold, chosen("single_frame", model.single_frame))
    thresholds = Thresholds(threshold, single_frame, chosen("margin", model.margin))
    gates = Gates(
        min_size=model.min_face,
        min_sharpness=configured.min_sharpness or 0.0,
        max_turn=90.0 if configured.max_turn is None else configured.max_turn,
    )
    return Policy(thresholds, gates)


def enrolment_policy(policy: Policy) -> Policy:
    """The same for portraits, which have to be good: every later recognition rests on them."""
    gates = policy.gates
    strict = replace(gates, min_sharpness=max(SHARP, gates.min_sharpness), max_turn=min(FACING, gates.max_turn))
    return replace(policy, gates=strict)
