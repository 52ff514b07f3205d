"""Discovery with real distributions on sys.path, most of them broken in one way each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.plugin import CameraSpec, StorageSpec
from hub.runtime.catalog import Catalog, Fault
from tests.support.distributions import forgetting, install

GOOD = """
    from hub.plugin import CameraSpec, hookimpl

    @hookimpl
    def fras_plugins():
        return [CameraSpec(name=__name__, config_schema={}, open=lambda config, context: None)]
"""

BROKEN = {
    "raises": ("raise ValueError('no lens')", "its import failed: ValueError: no lens (raises.py, line 1)"),
    "exits": ("import sys; sys.exit(3)", "its import failed: SystemExit: 3"),
    "needy": ("import a_missing_library", "No module named 'a_missing_library'"),
    "misspelt": ("def f(:\n    pass", "its import failed: SyntaxError: invalid syntax (misspelt.py, line 1)"),
    "hookless": ("x = 1", "hookless has no function fras_plugins marked with hub.plugin.hookimpl"),
    "unmarked": ("def fras_plugins():\n    return []", "no function fras_plugins marked with hub.plugin.hookimpl"),
    "wronghook": (
        "from hub.plugin import hookimpl\n@hookimpl\ndef fras_plugin():\n    return []",
        "unknown hook 'fras_plugin' in plugin",
    ),
    "argument": (
        "from hub.plugin import hookimpl\n@hookimpl\ndef fras_plugins(register):\n    return []",
        "Argument(s) {'register'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "raising_hook": (
        "from hub.plugin import hookimpl\n@hookimpl\ndef fras_plugins():\n    1 / 0",
        "its hook raised ZeroDivisionError: division by zero (raising_hook.py, line 4)",
    ),
    "async_hook": (
        "from hub.plugin import hookimpl\n@hookimpl\nasync def fras_plugins():\n    return []",
        "its hook returned a coroutine instead of a list of specs",
    ),
    "nothing": (
        "from hub.plugin import hookimpl\n@hookimpl\ndef fras_plugins():\n    pass",
        "its hook returned None instead of a list of specs",
    ),
    "empty": ("from hub.plugin import hookimpl\n@hookimpl\ndef fras_plugins():\n    return []", "returned no spec"),
    "garbage": (
        "from hub.plugin import hookimpl\n@hookimpl\ndef fras_plugins():\n    return [42]",
        "its hook returned a int instead of a CameraSpec, RecognizerSpec or StorageSpec",
    ),
    "text": (
        "from hub.plugin import hookimpl\n@hookimpl\ndef fras_plugins():\n    return 'abc'",
        "its hook returned a str instead of a list of specs",
    ),
    "future": (
        GOOD.replace("name=__name__", "name=__name__, api_version=7"),
        "it was written for version 7 of the plugin interface, this hub has 1",
    ),
    "alias": (GOOD.replace("name=__name__", "name='other'"), "its entry point is called alias but its spec 'other'"),
    "twice": (GOOD.replace("None)]", "None)] * 2"), "its hook returned two specs of one kind (camera, camera)"),
    "unopenable": (GOOD.replace("lambda config, context: None", "None"), "the `open` of its spec cannot be called"),
    "unschemed": (GOOD.replace("config_schema={}", "config_schema=3"), "its config_schema is no voluptuous schema"),
    "uncompiled": (
        GOOD.replace("config_schema={}", "config_schema={'a': range(3)}"),
        "its config_schema is no voluptuous schema: SchemaError",
    ),
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed distributions; what was imported from it is forgotten afterwards."""
    monkeypatch.delenv("FRAS_NO_EXTERNAL_PLUGINS", raising=False)
    folder = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(folder)
    with forgetting(folder):
        yield folder


def fault(catalog: Catalog, name: str) -> Fault:
    return next(fault for fault in catalog.faults if fault.platform == name)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_a_fault_with_its_distribution_and_a_next_step(name: str, site: Path) -> None:
    source, message = BROKEN[name]
    install(site, f"acme-{name}", name, source)
    catalog = Catalog()
    catalog.load([name])
    assert catalog.names("camera") == []
    found = fault(catalog, name)
    assert found.distribution == f"acme-{name}"
    assert message in found.message
    assert f"acme-{name}" in found.hint
    assert "Traceback" not in str(found)
    assert "\n" not in str(found)


def test_all_the_broken_ones_together_leave_a_good_one_working(site: Path) -> None:
    for name, (source, _) in BROKEN.items():
        install(site, f"acme-{name}", name, source)
    install(site, "acme-good", "good", GOOD)
    catalog = Catalog()
    catalog.load_all()
    assert catalog.spec("camera", "good").name == "good"
    assert "good" in catalog.names("camera")
    assert set(BROKEN) <= {found.platform for found in catalog.faults}


def test_only_what_is_asked_for_is_imported(site: Path) -> None:
    install(site, "acme-good", "good", GOOD)
    install(site, "acme-raises", "raises", "raise ValueError")
    catalog = Catalog()
    assert {"good", "raises"} <= set(catalog.installed)
    assert "good" not in sys.modules
    catalog.load(["good"])
    assert catalog.faults == []
    assert "raises" not in sys.modules


def test_two_distributions_offering_one_name_are_an_error_that_names_both(site: Path) -> None:
    install(site, "acme-lobby", "lobby", GOOD)
    install(site, "other-lobby", "other_lobby", GOOD, platform="lobby")
    catalog = Catalog()
    catalog.load(["lobby"])
    found = fault(catalog, "lobby")
    assert found.message == "acme-lobby and other-lobby both offer it"
    assert found.hint == "uninstall one of them"
    assert "lobby" not in sys.modules


def test_a_third_party_cannot_take_the_place_of_a_plugin_of_ours(site: Path) -> None:
    install(site, "acme-folder", "acme_folder", GOOD, platform="folder")
    catalog = Catalog()
    catalog.load(["folder"])
    assert fault(catalog, "folder").message == "acme-folder and fras both offer it"


def test_the_kill_switch_leaves_only_plugins_of_ours(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "acme-folder", "acme_folder", GOOD, platform="folder")
    install(site, "acme-good", "good", GOOD)
    monkeypatch.setenv("FRAS_NO_EXTERNAL_PLUGINS", "1")
    assert {"folder", "local_disk", "onnx_local"} <= set(Catalog().installed)
    assert "good" not in Catalog().installed
    assert "good" in Catalog(external=True).installed


def test_an_unknown_name_gets_the_nearest_one_as_a_hint(site: Path) -> None:
    catalog = Catalog()
    catalog.load(["foldr", "zzz"])
    assert fault(catalog, "foldr").hint == "did you mean folder?"
    assert "folder" in fault(catalog, "zzz").hint
    assert fault(catalog, "zzz").distribution == ""


def test_an_installed_module_that_is_gone_is_said_to_need_reinstalling(site: Path) -> None:
    install(site, "acme-gone", "gone", GOOD)
    (site / "gone.py").unlink()
    catalog = Catalog()
    catalog.load(["gone"])
    assert fault(catalog, "gone").hint == "install acme-gone again"


def test_a_distribution_without_metadata_does_not_spoil_discovery(site: Path) -> None:
    install(site, "acme-good", "good", GOOD)
    install(site, "acme-torn", "torn", GOOD)
    (site / "acme_torn-1.0.dist-info" / "METADATA").unlink()
    catalog = Catalog()
    catalog.load_all()
    assert {"good", "torn"} <= set(catalog.names("camera"))


def test_one_platform_may_offer_several_kinds(site: Path) -> None:
    install(
        site,
        "acme-cloud",
        "cloud",
        """
        from hub.plugin import CameraSpec, StorageSpec, hookimpl

        @hookimpl
        def fras_plugins():
            same = {"name": "cloud", "config_schema": {}, "open": lambda config, context: None}
            return [CameraSpec(**same), StorageSpec(**same)]
        """,
        version="2.3",
    )
    catalog = Catalog()
    catalog.load(["cloud"])
    assert isinstance(catalog.spec("camera", "cloud"), CameraSpec)
    assert isinstance(catalog.spec("storage", "cloud"), StorageSpec)
    with pytest.raises(KeyError):
        catalog.spec("recognizer", "cloud")
    (platform,) = catalog.platforms
    assert (platform.distribution, platform.version) == ("acme-cloud", "2.3")
    assert catalog.modules == {"cloud": "cloud"}
