"""The description of the API: valid, whole, and without anything biometric."""

from __future__ import annotations

import re
from dataclasses import fields

from openapi_spec_validator import OpenAPIV31SpecValidator

from hub.web.api import OPERATIONS, PREFIX, document
from hub.web.api import records as shown
from tests.support.site import API, Site


def test_is_openapi_3_1() -> None:
    described = document(OPERATIONS)
    assert described["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(described).validate()


def test_every_operation_is_described_once() -> None:
    described = document(OPERATIONS)
    ids = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert sorted(ids) == sorted({operation.id for operation in OPERATIONS})
    assert all(operation["summary"] for path in described["paths"].values() for operation in path.values())


async def test_every_route_of_the_api_is_in_it(site: Site) -> None:
    answer = await site.get(f"{API}/openapi.json")
    assert answer.status == 200
    assert answer.json == document(OPERATIONS)
    for path in answer.json["paths"]:
        assert path.startswith(PREFIX)
        called = re.sub(r"{\w+}", "2026-11-16", path)
        if path not in (f"{API}/events", f"{API}/cameras/{{camera}}/frames"):
            assert "the API has no such address" not in (await site.get(called)).text


def test_no_record_has_a_template_or_a_storage_key() -> None:
    kinds = [kind for kind in vars(shown).values() if isinstance(kind, type) and kind.__module__ == shown.__name__]
    names = {field.name for kind in kinds if hasattr(kind, "__dataclass_fields__") for field in fields(kind)}
    assert len(names) > 30
    assert not names & {"embedding", "vector", "template", "crop_key", "key", "source_sha256", "emotion", "age"}
