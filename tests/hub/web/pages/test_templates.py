"""What holds for every template."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp_jinja2 import get_env
from jinja2 import Environment, StrictUndefined

from hub.web.pages import setup_templates
from hub.web.pages.static import FILES
from hub.web.pages.templates import FOLDER

TEMPLATES = sorted(path.name for path in FOLDER.glob("*.html"))
PARTS = {"base.html", "marks.html"}


@pytest.fixture
def environment() -> Environment:
    app = web.Application()
    setup_templates(app)
    return get_env(app)


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_compiles_and_a_page_has_a_title(environment: Environment, name: str) -> None:
    template = environment.get_template(name)
    if name not in PARTS:
        assert {"title", "content"} <= set(template.blocks)


def test_a_missing_value_is_an_error_and_markup_is_escaped(environment: Environment) -> None:
    assert environment.undefined is StrictUndefined
    assert environment.autoescape is True
    assert all("| safe" not in path.read_text("utf-8") for path in FOLDER.iterdir())


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(name: str) -> None:
    source = (FOLDER / name).read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*src=)", source)
    assert not re.search(r"""(href|src)=["'](https?:)?//""", source)


@pytest.mark.parametrize("name", sorted(FILES))
def test_static_files_refer_to_nobody_else(name: str) -> None:
    assert not re.search(rb"(?<!w3\.org)https?://(?!www\.w3\.org)|@import|url\(", FILES[name])


def test_every_template_is_used() -> None:
    sources = "".join(
        path.read_text("utf-8") for path in Path(FOLDER).parent.rglob("*.*") if path.suffix in (".py", ".html")
    )
    assert [name for name in TEMPLATES if f'"{name}"' not in sources] == []
