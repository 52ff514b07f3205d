"""Several recognisers in one hub.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from config import Invalid, Place, read
from hub.settings import Agreeing, Chained, PolicySettings, RecognizerPart, Settings, json_schema, read_settings
from tests.support.platforms import FakePlatforms

REST = "hub: {name: x, time_zone: Europe/Berlin}\nstorage: {platform: local_disk}\n"
SEVERAL = """\
recognizer:
  - {id: local, platform: onnx_local}
  - {id: other, platform: onnx_local, pack: zoo, finder: local}
  - {id: careful, chain: [local, other]}
  - {id: both, ensemble: [other, local], agree: 2}
  - {id: all, ensemble: [other, local]}
cameras:
  - {platform: folder, id: gate, room: "101", path: in, recognizer: careful}
  - {platform: folder, id: door, room: "101", path: in}
"""


def settings(folder: Path, text: str) -> Settings:
    (folder / "hub.yaml").write_text(REST + text, "utf-8")
    return read_settings(folder / "hub.yaml", FakePlatforms(), {})


def said(folder: Path, text: str) -> list[str]:
    with pytest.raises(Invalid) as refused:
        settings(folder, text)
    return [f"{problem.place.line}: {problem.message}; {problem.hint}" for problem in refused.value.problems]


def test_a_list_of_platforms_and_what_is_put_together_of_them(tmp_path: Path) -> None:
    found = settings(tmp_path, SEVERAL)
    nowhere = Place("", 0)
    assert found.recognizer.parts == (
        RecognizerPart("onnx_local", "local", {"pack": "dlib", "min_face": 40}, nowhere),
        RecognizerPart("onnx_local", "other", {"pack": "zoo", "min_face": 40}, nowhere, "local"),
    )
    assert found.recognizer.combinations == (
        Chained("careful", ("local", "other"), (0.1,)),
        Agreeing("both", ("other", "local"), 2),
        Agreeing("all", ("other", "local"), 2),
    )
    assert found.recognizer.default == "local"
    assert [camera.recognizer for camera in found.cameras] == ["careful", ""]


def test_each_may_have_a_policy_of_its_own(tmp_path: Path) -> None:
    found = settings(
        tmp_path, SEVERAL.replace("pack: zoo", "policy: {threshold: 0.7}") + "policy: {threshold: 0.5, max_turn: 40}\n"
    )
    assert found.policy_of("local") == PolicySettings(threshold=0.5, max_turn=40)
    assert found.policy_of("other") == PolicySettings(threshold=0.7, max_turn=40)
    wrong = SEVERAL.replace("pack: zoo", "policy: {threshold: 0.7, single_frame: 0.6}")
    assert said(tmp_path, wrong)[0].startswith("5: single_frame (0.6) is below threshold (0.7)")


@pytest.mark.parametrize(("written", "reach"), [("0.2", (0.2, 0.2)), ("[0.2, 0.05]", (0.2, 0.05)), ("[0]", (0, 0))])
def test_how_far_a_chain_reaches_is_said_once_or_for_each_step(
    tmp_path: Path, written: str, reach: tuple[float, ...]
) -> None:
    three = SEVERAL.replace(
        "[local, other]}", f"[local, other, third], reach: {written}}}\n  - {{id: third, platform: onnx_local}}", 1
    )
    (chained, *_) = settings(tmp_path, three).recognizer.combinations
    assert isinstance(chained, Chained)
    assert chained.reach == reach


def test_one_needs_no_id(tmp_path: Path) -> None:
    found = settings(tmp_path, "recognizer: {platform: onnx_local}\n").recognizer
    assert (found.default, [part.id for part in found.parts]) == ("onnx_local", ["onnx_local"])
    named = settings(tmp_path, "recognizer: {platform: onnx_local, id: dlib}\n").recognizer
    assert (named.default, [part.id for part in named.parts]) == ("dlib", ["dlib"])


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("id: all", "id: careful", "8: the recognizer id 'careful' is already used in line 6; give each entry an id"),
        ("id: both", "id: local", "7: the recognizer id 'local' is already used in line 4"),
        ("[local, other]", "[local, othr]", "6: no recogniser has the id 'othr'; did you mean 'other'?"),
        ("[local, other]", "[local, both]", "6: 'both' is a combination itself; name recognisers that have a platform"),
        ("[local, other]", "[local, local]", "6: 'local' is listed twice; remove one of them"),
        ("[local, other]", "[local]", "6: chain has one member; name two at least"),
        ("[local, other]", "[]", "6: chain has no members"),
        ("agree: 2", "agree: 3", "7: agree is 3, and there are 2 members; write a number from 2 to 2"),
        ("agree: 2", "agree: 1", "7: Invalid config for 'ensemble': out of range for 'agree', got '1'"),
        ("finder: local", "finder: other", "5: 'other' cannot find its own faces"),
        ("finder: local", "finder: careful", "5: 'careful' is a combination itself"),
        ("recognizer: careful", "recognizer: carefl", "10: no recogniser has the id 'carefl'; did you mean 'careful'?"),
        (
            "[local, other]",
            "[local, other], reach: [0.1, 0.2]",
            "6: reach has 2 numbers, and there are 2 members; write",
        ),
        ("[local, other]", "[local, other], reach: []", "6: Invalid config for 'chain': expected a number for 'reach'"),
        ("chain: [local, other]", "chain: local", "6: Invalid config for 'chain': expected a list for 'chain'"),
        ("chain: [local, other]", "chain: [local, other], reech: 1", "6: Invalid config for 'chain': 'reech' is an"),
        ("pack: zoo", "pakc: zoo", "5: Invalid config for 'onnx_local': 'pakc' is an invalid option"),
        ("{id: all, ensemble: [other, local]}", "local", "8: Invalid config for 'recognizer': expected options"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in SEVERAL
    lines = said(tmp_path, SEVERAL.replace(old, new, 1))
    assert len(lines) == 1, lines
    assert lines[0].startswith(problem)


def test_a_service_finds_no_faces_for_another(tmp_path: Path) -> None:
    services = "recognizer:\n  - {id: one, platform: cloud}\n  - {id: two, platform: cloud, finder: one}\n"
    lines = said(tmp_path, services + "  - {id: local, platform: onnx_local}\n")
    assert lines == [
        "5: 'one' is a service, which finds no faces itself; name a recogniser of this machine, or remove finder"
    ]


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    wrong = SEVERAL.replace("[local, other]", "[local, x]").replace("agree: 2", "agree: 9").replace("pack", "pakc")
    assert len(said(tmp_path, wrong)) == 3


def test_a_list_needs_a_platform(tmp_path: Path) -> None:
    assert said(tmp_path, "recognizer: []\n") == ["3: recognizer is an empty list; write platform: onnx_local"]
    lines = said(tmp_path, "recognizer:\n  - {id: a, chain: [b, c]}\n")
    assert lines[0].startswith("3: recognizer names no platform")
    assert [line.partition(";")[0] for line in lines[1:]] == [
        "4: no recogniser has the id 'b'",
        "4: no recogniser has the id 'c'",
    ]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("", "", []),
        ("agree: 2", "agree: 1", ["recognizer->3->agree"]),
        ("[local, other]", "local", ["recognizer->2->chain"]),
        ("pack: zoo", "pakc: zoo", ["recognizer->1"]),
        ("recognizer: careful", "recognizer: 7", ["cameras->0->recognizer"]),
    ],
)
def test_the_json_schema_knows_it(tmp_path: Path, old: str, new: str, where: list[str]) -> None:
    (tmp_path / "hub.yaml").write_text(REST + SEVERAL.replace(old, new, 1), "utf-8")
    validator = Draft202012Validator(json_schema(FakePlatforms()))
    errors = validator.iter_errors(read(tmp_path / "hub.yaml", {}).data)
    assert ["->".join(map(str, error.absolute_path)) for error in errors] == where
