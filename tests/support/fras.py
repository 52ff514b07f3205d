"""A school in a temporary folder and the `fras` command on it, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from PIL import Image
from typer.testing import CliRunner

from hub.cli.commands import fras
from tests.support import colours
from tests.support.distributions import install
from tests.support.facts import KIND, url_of

ROOT = Path(__file__).parents[2]

HUB_YAML = """\
hub: {name: Test School, time_zone: Europe/Berlin}
http: {port: 0}
recognizer: {platform: colours}
storage: {platform: local_disk}
cameras:
  - {platform: folder, id: door, room: "101", path: incoming, mode: once}
attendance:
  timetable:
    - {class: 10A, lecture: Mathematics, room: "101", days: mon-fri, start: "09:00", end: "09:50"}
"""


def of_this_kind(hub_yaml: str, folder: Path) -> str:
    """The configuration, on a database of the kind that this run of the tests is about."""
    if KIND == "sqlite":
        return hub_yaml
    return hub_yaml.replace("hub: {", f'hub: {{database: "{url_of(folder)}", ', 1)


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class School:
    """`folder` holds hub.yaml; use `fras` in process (quick), `spawn` for a process to signal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        install(self.site, "fras-colours", "colours", Path(colours.__file__).read_text("utf-8"))
        (folder / "hub.yaml").write_text(of_this_kind(HUB_YAML, folder), "utf-8")
        (folder / "incoming").mkdir()

    def fras(self, *words: str) -> Answer:
        result = CliRunner().invoke(fras(words), [*words, "-c", str(self.folder / "hub.yaml")])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    def spawn(self, *words: str, stderr: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(self.site), str(ROOT)])
        return subprocess.Popen(
            [sys.executable, "-m", "hub", *words, "-c", str(self.folder / "hub.yaml")],
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def portraits(self, *people: str, count: int = 2, folder: str = "portraits") -> Path:
        """A folder of `count` different pictures of each person's square."""
        for person in people:
            target = self.folder / folder / person
            target.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                save(target / f"{number}.png", person, brightness=-3 * number)
        return self.folder / folder

    def enrol(self, *people: str) -> None:
        answer = self.fras("enroll", str(self.portraits(*people)), "--consent", "granted", "--signed-by", "a parent")
        assert answer.code == 0, answer.err

    def frame(self, name: str, at: datetime, *people: str) -> Path:
        """A frame in the camera's folder whose file time is `at`."""
        target = save(self.folder / "incoming" / name, *people)
        os.utime(target, (at.timestamp(), at.timestamp()))
        return target


def save(target: Path, *people: str, brightness: int = 0) -> Path:
    pixels = (colours.picture(*people).astype(int) + brightness).clip(0, 255).astype("uint8")
    Image.fromarray(pixels).save(target)
    return target
