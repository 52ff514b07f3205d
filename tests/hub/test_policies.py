"""Which thresholds hold: the school's word, then what was measured, then the model's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hub.calibrating import Stale, calibrate_gallery, stale_calibration
from hub.db import enrolments, people, templates
from hub.db.engine import open_database
from hub.db.enrolments import EnrolmentImage, State
from hub.db.people import Person
from hub.plugin import Model
from hub.policies import FACING, SHARP, enrolment_policy, policy_for
from hub.recognition.policy import Gates, Thresholds
from hub.settings import PolicySettings
from tests.support.faces import images
from tests.support.facts import START, url_of

MODEL = Model("m", 64, "cosine", threshold=0.5, single_frame=0.6, margin=0.05, min_face=40)
OTHER = Model("n", 64, "cosine", threshold=0.5, single_frame=0.6, margin=0.05, min_face=40)


async def enrol(database: object, count: int, each: int = 3) -> None:
    async with database.write() as connection:  # type: ignore[attr-defined]
        await people.add(connection, *(Person(f"p{number}", "x") for number in range(count)))
        for number in range(count):
            await enrolments.record(
                connection,
                *(
                    EnrolmentImage(f"p{number}", f"{number}-{row}", "m", State.ACCEPTED, embedding=vector)
                    for row, vector in enumerate(images(number, each))
                ),
                at=START,
            )


async def test_the_models_thresholds_hold_until_something_else_is_known(tmp_path: Path) -> None:
    async with open_database(url_of(tmp_path)) as database:
        policy = await policy_for(database, MODEL, PolicySettings())
        assert policy.thresholds == Thresholds(0.5, 0.6, 0.05)
        assert policy.gates == Gates(40, 0.0, 90.0)


async def test_what_was_calibrated_holds_for_its_model_alone_and_hub_yaml_beats_it(tmp_path: Path) -> None:
    async with open_database(url_of(tmp_path)) as database:
        await enrol(database, 40)
        found = await calibrate_gallery(database, MODEL, 0.05)
        assert found.measured
        assert (await policy_for(database, MODEL, PolicySettings())).thresholds == found.thresholds
        assert (await policy_for(database, OTHER, PolicySettings())).thresholds == Thresholds(0.5, 0.6, 0.05)
        policy = await policy_for(database, MODEL, PolicySettings(threshold=0.9, max_turn=30.0, min_sharpness=5.0))
        assert policy.thresholds == Thresholds(0.9, max(0.9, found.thresholds.single_frame), found.thresholds.margin)
        assert policy.gates == Gates(40, 5.0, 30.0)


async def test_too_few_people_leave_what_was_calibrated_before(tmp_path: Path) -> None:
    async with open_database(url_of(tmp_path)) as database:
        await enrol(database, 40)
        found = await calibrate_gallery(database, MODEL, 0.05)
        assert not (await calibrate_gallery(database, MODEL, 0.001)).measured
        assert (await policy_for(database, MODEL, PolicySettings())).thresholds == found.thresholds


@pytest.mark.parametrize(
    ("given", "wanted"), [((None, None), (SHARP, FACING)), ((50.0, 30.0), (50.0, 30.0)), ((1.0, 85.0), (SHARP, FACING))]
)
async def test_portraits_have_to_be_good(
    tmp_path: Path, given: tuple[float | None, float | None], wanted: tuple[float, float]
) -> None:
    async with open_database(url_of(tmp_path)) as database:
        policy = await policy_for(database, MODEL, PolicySettings(min_sharpness=given[0], max_turn=given[1]))
    strict = enrolment_policy(policy)
    assert (strict.gates.min_sharpness, strict.gates.max_turn) == wanted
    assert strict.thresholds == policy.thresholds


async def test_a_calibration_is_stale_once_the_gallery_is_another(tmp_path: Path) -> None:
    async with open_database(url_of(tmp_path)) as database:
        await enrol(database, 40)
        async with database.write() as connection:
            await templates.replace(connection, "p1", "m", np.ones(64, np.float32), 3, at=START)
        assert await stale_calibration(database) is None, "never calibrated"
        await calibrate_gallery(database, MODEL, 0.05)
        assert await stale_calibration(database) is None
        async with database.write() as connection:
            await people.add(connection, Person("p1", "renamed", "10A"))
        assert await stale_calibration(database) is None
        await enrol(database, 41)
        assert await stale_calibration(database) == Stale("m", 40, 41)
        await calibrate_gallery(database, MODEL, 0.05)
        assert await stale_calibration(database) is None
        async with database.write() as connection:
            await enrolments.forget_embeddings(connection, "p7")
        assert await stale_calibration(database) == Stale("m", 41, 40)
        async with database.write() as connection:
            await templates.replace(connection, "p1", "n", np.ones(64, np.float32), 3, at=START)
        assert await stale_calibration(database) is None, "another model is in use"
