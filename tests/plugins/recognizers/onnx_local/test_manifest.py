"""pack.yaml is read with every problem named, and identifies what embeddings mean."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.plugin import NeedsHuman, Permanent
from plugins.recognizers.onnx_local.installed import SHIPPED
from plugins.recognizers.onnx_local.manifest import MANIFEST, Manifest, load

Change = Callable[[dict[str, Any]], Any]


def written(folder: Path, data: object) -> Path:
    (folder / MANIFEST).write_text(yaml.safe_dump(data), encoding="utf-8")
    return folder


@pytest.mark.parametrize("folder", sorted(SHIPPED.iterdir()), ids=lambda folder: folder.name)
def test_shipped_manifests_are_valid_and_named_after_their_folder(folder: Path) -> None:
    manifest = load(folder)
    assert manifest.name == folder.name
    assert manifest.licence
    assert manifest.source


def test_a_valid_manifest_is_read_whole(tmp_path: Path, manifest_data: dict[str, Any]) -> None:
    manifest = load(written(tmp_path, manifest_data))
    assert manifest.folder == tmp_path
    assert manifest.detector.kind == "yunet"
    assert manifest.embedder.channels == "BGR"
    assert manifest.alignment.template[2] == (64.0336, 81.9847)
    assert len(manifest.weights) == 2


def test_all_problems_come_in_one_error(tmp_path: Path, manifest_data: dict[str, Any]) -> None:
    data = manifest_data
    data["detector"]["kind"] = "haar"
    data["detector"]["sha256"] = "abc"
    del data["alignment"]["template"]
    data["embedder"]["file"] = "../../etc/passwd"
    data["embedder"]["dimension"] = True
    data["thresholds"]["single_frame"] = 0.1
    del data["licence"]
    data["emotion"] = "no"
    with pytest.raises(Permanent) as caught:
        load(written(tmp_path, data))
    message = str(caught.value)
    for part in (
        str(tmp_path / MANIFEST),
        "detector->kind",
        "detector->sha256: expected 64 hexadecimal digits",
        "alignment->template: required by kind five_points",
        "embedder->file: expected the plain name",
        "embedder->dimension",
        "thresholds->single_frame: must not be below threshold",
        "licence: required key",
        "emotion: ",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data["detector"].update(kind="mmod"), "mmod gives none"),
        (lambda data: data["alignment"].update(kind="dlib"), "alignment->file: required by kind dlib"),
        (lambda data: data["alignment"].update(template=[[1, 2]] * 4), "expected five points"),
        (lambda data: data["alignment"].update(template=[[1, 2]] * 4 + [[1]]), "expected [x, y]"),
        (lambda data: data["embedder"].update(file=data["detector"]["file"]), "must be different files"),
        (lambda data: data["embedder"].update(scale=0), "above 0"),
        (lambda data: data["embedder"].update(mean=[1, 2]), "three numbers"),
        (lambda data: data["embedder"].update(mean=[1, 2, float("nan")]), "expected a number"),
        (lambda data: data["detector"].update(smallest=0), "whole number from 1"),
        (lambda data: data["detector"].update(nms=1.5), "from 0 to 1"),
        (lambda data: data.update(name="A pack"), "name: expected lower-case"),
        (lambda data: data.update(source="  "), "source: expected some text"),
    ],
)
def test_each_contradiction_is_named(
    tmp_path: Path, manifest_data: dict[str, Any], change: Change, problem: str
) -> None:
    change(manifest_data)
    with pytest.raises(Permanent) as caught:
        load(written(tmp_path, manifest_data))
    assert problem in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"detector: [", b"a: b: c"])
def test_an_unreadable_manifest_needs_a_human(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(NeedsHuman, match="cannot be read"):
        load(tmp_path)


def test_no_manifest_and_an_empty_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NeedsHuman, match="no model pack"):
        load(tmp_path)
    (tmp_path / MANIFEST).touch()
    with pytest.raises(Permanent, match="empty"):
        load(tmp_path)


def test_the_fingerprint_follows_what_embeddings_mean(tmp_path: Path, manifest_data: dict[str, Any]) -> None:
    def fingerprint(change: Change) -> str:
        data = deepcopy(manifest_data)
        change(data)
        return load(written(tmp_path, data)).fingerprint

    unchanged = fingerprint(lambda data: None)
    harmless: list[Change] = [
        lambda data: data.update(licence="another", source="elsewhere"),
        lambda data: data["thresholds"].update(threshold=0.1),
        lambda data: data["detector"].update(score=0.9, nms=0.2, smallest=24, file="renamed.onnx"),
        lambda data: data["embedder"].update(file="renamed.onnx", mean=[0, 0, 0]),
    ]
    assert [fingerprint(change) for change in harmless] == [unchanged] * len(harmless)
    telling: list[Change] = [
        lambda data: data["embedder"].update(sha256="0" * 64),
        lambda data: data["detector"].update(sha256="0" * 64),
        lambda data: data["alignment"]["template"][0].reverse(),
        lambda data: data["embedder"].update(channels="RGB"),
        lambda data: data["embedder"].update(scale=0.5),
        lambda data: data["embedder"].update(mean=[0, 0, 1]),
        lambda data: data["embedder"].update(size=112),
    ]
    assert len({fingerprint(change) for change in telling} | {unchanged}) == len(telling) + 1


def test_weights_lists_only_parts_with_a_file(tmp_path: Path, manifest_data: dict[str, Any]) -> None:
    manifest: Manifest = load(written(tmp_path, manifest_data))
    assert set(manifest.weights) == {manifest.detector.file, manifest.embedder.file}
