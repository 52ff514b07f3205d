"""Requests that schemathesis makes up from the description: no fault of FRAS, and nothing that is not described."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fras import School, of_this_kind
from tests.support.site import PUSH

# Not content_type_conformance: requests too long for HTTP are refused by the server below FRAS, in plain text.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)


@pytest.mark.slow
def test_no_made_up_request_finds_a_fault(filmed: School, tmp_path: Path) -> None:
    (filmed.folder / "hub.yaml").write_text(of_this_kind(PUSH, filmed.folder), "utf-8")
    hub = filmed.spawn("run")
    try:
        assert hub.stderr is not None
        address = next(line.split()[1] for line in iter(hub.stderr.readline, "") if line.startswith("panel: "))
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("st")),
                "run",
                f"{address}api/v1/openapi.json",
                *("--checks", ",".join(CHECKS)),
                *("--phases", "examples,coverage,fuzzing"),
                *("--max-examples", "12"),
                *("--exclude-operation-id", "events"),  # it never ends
                *("--warnings", "off"),
                *("--workers", "2"),
                "--generation-deterministic",
                "--continue-on-failure",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        hub.terminate()
        said = hub.communicate(timeout=10)[1]
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "a fault of FRAS" not in said
    assert "Traceback" not in said
