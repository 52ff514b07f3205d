"""Packs are fetched once, from a real server; what is not the published file, or not whole, is not kept."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.plugin import NeedsHuman, NotReady
from plugins.recognizers.onnx_local.fetching import install
from plugins.recognizers.onnx_local.installed import find_pack, list_packs
from plugins.recognizers.onnx_local.manifest import MANIFEST, load

WEIGHTS = {"detector": b"detector" * 1000, "embedder": b"embedder" * 300_000}


class Publisher:
    """Serves `files` by path and notes what was asked for; a file in `cut` ends in the middle."""

    def __init__(self) -> None:
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked.append(self.path)
                body = publisher.files.get(self.path)
                if body is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if self.path in publisher.cut else body)

            def log_message(self, *said: Any) -> None: ...

        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    found = Publisher()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.05,))
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


@pytest.fixture
def manifest(tmp_path: Path, publisher: Publisher, manifest_data: dict[str, Any]) -> Path:
    """The folder of a pack that is published, with its manifest alone."""
    data = manifest_data | {"name": "published", "downloads": {}}
    for part, weights in WEIGHTS.items():
        file = data[part]["file"]
        data[part]["sha256"] = hashlib.sha256(weights).hexdigest()
        data["downloads"][file] = f"{publisher.address}/{file}"
        publisher.files[f"/{file}"] = weights
    folder = tmp_path / "manifest"
    folder.mkdir()
    (folder / MANIFEST).write_text(yaml.safe_dump(data), encoding="utf-8")
    return folder


def fetch(manifest: Path, models: Path) -> list[str]:
    said: list[str] = []
    install(str(manifest), models, Path(), said.append)
    return said


def test_a_pack_is_fetched_once(manifest: Path, tmp_path: Path, publisher: Publisher) -> None:
    models = tmp_path / "models"
    said = fetch(manifest, models)
    assert [line.split(":")[0] for line in said] == ["model pack published"] * 2
    installed = load(find_pack("published", models))
    assert installed.folder == models / "published"
    assert {name: (installed.folder / name).read_bytes() for name in installed.weights} == {
        path.removeprefix("/"): weights for path, weights in publisher.files.items()
    }
    assert {state.name: state.state for state in list_packs(models)}["published"] == "not built"
    assert len(publisher.asked) == 2
    assert fetch(manifest, models) == []
    assert len(publisher.asked) == 2
    assert sorted(path.name for path in installed.folder.iterdir()) == sorted([MANIFEST, *installed.weights])


@pytest.mark.parametrize("fault", ["other", "cut", "missing", "away"])
def test_what_is_not_the_published_file_is_not_kept(
    manifest: Path, tmp_path: Path, publisher: Publisher, fault: str
) -> None:
    models = tmp_path / "models"
    name = load(manifest).embedder.file
    problem: type[Exception] = NotReady if fault in ("missing", "away") else NeedsHuman
    if fault == "other":
        publisher.files[f"/{name}"] = b"<html>sign in first</html>"
    elif fault == "cut":
        publisher.cut.add(f"/{name}")
    elif fault == "missing":
        del publisher.files[f"/{name}"]
    else:
        publisher.server.server_close()
    with pytest.raises(problem, match=name if fault != "away" else "cannot be fetched: "):
        fetch(manifest, models)
    assert not (models / "published" / name).exists()
    assert not list((models / "published").glob(".*"))
    with pytest.raises(NeedsHuman, match="there is no model pack 'published'"):
        find_pack("published", models)


def test_packs_that_nobody_publishes_say_so(tmp_path: Path, manifest: Path) -> None:
    with pytest.raises(NeedsHuman, match="dlib needs no installing; it is built on first use"):
        install("dlib", tmp_path, Path(), print)
    data = yaml.safe_load((manifest / MANIFEST).read_text())
    del data["downloads"]
    (manifest / MANIFEST).write_text(yaml.safe_dump(data))
    with pytest.raises(NeedsHuman, match="does not say where"):
        fetch(manifest, tmp_path / "models")


def test_every_file_of_the_shipped_pack_is_published_somewhere(tmp_path: Path) -> None:
    pack = load(find_pack("opencv_zoo", tmp_path))
    assert pack.downloads.keys() == pack.weights.keys()
    assert all(url.startswith("https://") and url.endswith(f"/{name}") for name, url in pack.downloads.items())


def test_a_folder_that_cannot_be_written_is_said(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NeedsHuman, match="cannot be kept in"):
        fetch(manifest, tmp_path / "file" / "models")
