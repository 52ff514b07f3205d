"""`fras calibrate`: thresholds from the school's own gallery."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from hub.app import Paths, open_embedders, open_school
from hub.calibrating import calibrate_gallery, stale_calibration
from hub.cli import console
from hub.recognition.calibration import Calibration


def calibrate(
    target: Annotated[
        float, typer.Option("--target", min=0.0001, max=0.2, help="False matches per search that are acceptable.")
    ] = 0.01,
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Measures on the enrolled pictures where to draw the line. Exit 1 when there are too few to say."""
    where = console.paths(config, data)
    console.run(_calibrate(where, target, json_lines), where)


async def _calibrate(where: Paths, target: float, json_lines: bool) -> int:
    measured = True
    async with open_school(where, report=console.say) as school, open_embedders(school) as embedders:
        if stale := await stale_calibration(school.database):
            console.say(f"until now {stale}")
        for name, embedder in embedders.items():
            found = await calibrate_gallery(school.database, embedder.model, target)
            measured = measured and found.measured
            by = name if len(embedders) > 1 else ""
            if json_lines:
                console.emit(asdict(found) | ({"recognizer": by} if by else {}))
            else:
                _tell(found, by)
    return 0 if measured else 1


def _tell(found: Calibration, by: str) -> None:
    wanted = found.thresholds
    console.say(f"{by}: {found.note}" if by else found.note)
    console.say(f"threshold {wanted.threshold:.3f}, single frame {wanted.single_frame:.3f}, margin {wanted.margin:.3f}")
    if found.fpir is not None and found.fnir is not None:
        console.say(
            f"there, {found.fpir:.2%} of {found.trials} strangers' searches would name somebody, "
            f"and {found.fnir:.2%} of {found.genuine} searches by enrolled people would not name them"
        )
    if found.measured:
        console.say("kept; a running hub uses it after fras reload")
