"""From a photograph to embeddings, against face_recognition's CNN path at the same enlargement.

`benchmarks/agreement.py` does the same on more photographs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hub.plugin import Pixels
from plugins.recognizers.onnx_local.dlib.aligner import DlibAligner
from plugins.recognizers.onnx_local.dlib.embedder import DlibFaceNet
from plugins.recognizers.onnx_local.dlib.mmod import MmodDetector


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.usefixtures("dlib")
def test_the_same_faces_and_embeddings_as_face_recognition(
    shared: Path, detector: MmodDetector, aligner: DlibAligner, net: DlibFaceNet, photo: Callable[..., Pixels]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources
        import face_recognition
    portraits = [photo(path) for path in sorted((shared / "data/faces/probe").glob("*/*.jpg"))[:200:100]]
    scene = photo(shared / "data/scenes/groups/bbt3.jpg", 300)
    cosines = []
    for pixels in (*portraits, scene):
        places = face_recognition.face_locations(pixels, number_of_times_to_upsample=1, model="cnn")
        encodings = face_recognition.face_encodings(pixels, places)
        found = detector.detect(pixels, 2.0)
        assert [(max(f.box.x, 0), max(f.box.y, 0)) for f in found] == [(left, top) for top, _, _, left in places]
        for own, theirs in zip(net.embed(aligner.align(pixels, found).chips), encodings, strict=True):
            cosines.append(own @ theirs / np.linalg.norm(own) / np.linalg.norm(theirs))
    assert len(cosines) >= 4
    assert min(cosines) > 0.999
