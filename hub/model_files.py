"""The recognisers' model files: what is there, what hub.yaml names in vain, and fetching one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from config import Problem
from hub.app import Paths, Report
from hub.failure import Failure
from hub.plugin import ModelState, NeedsHuman, PluginError
from hub.runtime.catalog import Catalog
from hub.runtime.context import Surroundings
from hub.settings import RecognizerPart, Settings, read_settings


def model_states(paths: Paths) -> list[ModelState]:
    """The models that the configured recognisers have on this machine, after hashing their files; writes nothing."""
    catalog = Catalog()
    settings = read_settings(paths.config, catalog)
    states = [state for part in settings.recognizer.parts for state in _models_of(part, paths, settings, catalog)]
    return list(dict.fromkeys(states))


def without_model(paths: Paths, settings: Settings, catalog: Catalog) -> list[Problem]:
    """The recognisers that name a model which is nowhere, not installed, or described wrongly."""
    problems = []
    for part in settings.recognizer.parts:
        try:
            with suppress(OSError):  # a data folder that is closed to this user
                for state in _models_of(part, paths, settings, catalog):
                    if state.wanted and state.state in ("not installed", "wrong"):
                        fact, _, hint = state.problem.partition("; ")
                        raise NeedsHuman(f"model {state.name} is {state.state}: {fact}", hint=hint)
        except PluginError as error:
            message = f"Invalid config for '{part.platform}': {error.message}"
            problems.append(Problem(part.place, message, error.hint))
    return problems


def _models_of(part: RecognizerPart, paths: Paths, settings: Settings, catalog: Catalog) -> Sequence[ModelState]:
    models = catalog.spec("recognizer", part.platform).models
    around = Surroundings(paths.data, paths.base, settings.school.time_zone)
    return models(part.options, around.place_of("recognizer", part.id), paths.base) if models else ()


def install_model(paths: Paths, name: str, report: Report) -> None:
    """Fetches a model for the first of the configured recognisers that can. Raises Failure and PluginError."""
    catalog = Catalog()
    settings = read_settings(paths.config, catalog)
    around = Surroundings(paths.data, paths.base, settings.school.time_zone)
    for part in settings.recognizer.parts:
        spec = catalog.spec("recognizer", part.platform)
        if spec.install is not None:
            folder = around.folder_of("recognizer", part.id)
            return spec.install(name, part.options, folder, paths.base, report)
    raise Failure("no recogniser of hub.yaml fetches models", hint="name one that does: platform: onnx_local")
