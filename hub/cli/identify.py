"""`fras identify`: who is in these pictures, without storing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hub.app import Paths, open_judge, open_school
from hub.cli import console
from hub.identification import Identified, identify_paths
from hub.pipeline.verdicts import JudgedFace


def identify(
    targets: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Images, videos or folders of them.")],
    json_lines: console.JsonOption = False,
    config: console.ConfigOption = console.CONFIG,
    data: console.DataOption = None,
) -> None:
    """Says who is in each picture. Exit code 1 when a path could not be read."""
    where = console.paths(config, data)
    console.run(_identify(where, targets, json_lines), where)


async def _identify(where: Paths, targets: list[Path], json_lines: bool) -> int:
    readable = True
    async with open_school(where, report=console.say) as school, open_judge(school) as judge:
        with console.progress() as bar:
            task = bar.add_task("identifying", total=None)
            async for result in identify_paths(judge, targets):
                bar.advance(task)
                readable = readable and result.error is None
                if json_lines:
                    console.emit(record(result))
                else:
                    _print(result)
    return 0 if readable else 1


def record(result: Identified) -> dict[str, Any]:
    """The JSON line of one image, or of one frame of a video."""
    line: dict[str, Any] = {"path": str(result.path), "error": result.error, "faces": [_face(f) for f in result.faces]}
    if result.time is not None:
        line["time"] = round(result.time.total_seconds(), 3)
    if result.too_small:
        line["too_small"] = result.too_small
    return line


def _face(face: JudgedFace) -> dict[str, Any]:
    box, quality, decision = face.box, face.quality, face.decision
    return {
        "box": [round(box.x, 1), round(box.y, 1), round(box.w, 1), round(box.h, 1)],
        "person": decision.person,
        "score": _rounded(decision.score),
        "threshold": _rounded(decision.threshold),
        "margin": _rounded(decision.margin),
        "alone": decision.alone,
        "reason": decision.reason or None,
        "quality": {
            "size": round(quality.size, 1),
            "sharpness": round(quality.sharpness, 1),
            "yaw": round(quality.yaw, 1),
            "pitch": round(quality.pitch, 1),
            "roll": round(quality.roll, 1),
        },
        "candidates": [
            {"person": candidate.person, "score": _rounded(candidate.score)} for candidate in decision.candidates
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 5)


def _print(result: Identified) -> None:
    name = console.printable(str(result.path))
    at = "" if result.time is None else f" at {result.time.total_seconds():.2f} s"
    if result.error is not None:
        console.tell(f"{name}{at}: {console.printable(result.error)}", style="red")
        return
    count = "no face" if not result.faces else "1 face" if len(result.faces) == 1 else f"{len(result.faces)} faces"
    small = f", {result.too_small} more too small to recognise" if result.too_small else ""
    console.tell(f"{name}{at}: {count}{small}", style="bold")
    for face in sorted(result.faces, key=lambda face: face.box.x):
        console.tell(_sentence(face))


def _sentence(face: JudgedFace) -> str:
    decision, box = face.decision, face.box
    place = f"{box.w:.0f}×{box.h:.0f} px at {box.x:.0f}, {box.y:.0f}"
    if decision.person is not None:
        who = console.printable(decision.person)
        ahead = "" if decision.margin is None else f", ahead of the next by {decision.margin:.2f}"
        return f"  {who}  score {decision.score:.2f} (threshold {decision.threshold:.2f}{ahead}); {place}"
    nearest = "nobody is enrolled"
    if decision.candidates:
        best = decision.candidates[0]
        nearest = f"nearest {console.printable(best.person)} at {best.score:.2f}, threshold {decision.threshold:.2f}"
    reason = f"; {decision.reason}" if decision.reason else ""
    return f"  unknown  {nearest}{reason}; {place}"
