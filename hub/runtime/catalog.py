"""Which plugins are installed, and their specs, however badly one of them behaves while it is asked.

Plugins are entry points of the group `fras.plugins`, those of this project too; only what is asked for is
imported. `FRAS_NO_EXTERNAL_PLUGINS=1` in the environment leaves out whatever FRAS did not bring itself.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, TypeAlias, get_args, overload

import pluggy
import voluptuous as vol

from hub.plugin import (
    API_VERSION,
    ENTRY_POINT_GROUP,
    PROJECT,
    CameraSpec,
    RecognizerSpec,
    Spec,
    StorageSpec,
)
from hub.plugin import specs as hookspecs

from .faults import summary

NO_EXTERNAL_PLUGINS = "FRAS_NO_EXTERNAL_PLUGINS"

Kind: TypeAlias = Literal["camera", "recognizer", "storage"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_log = logging.getLogger("fras.catalog")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a platform cannot be used. `distribution` is the package that brings it ("" where none does)."""

    platform: str
    distribution: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"plugin {self.platform}: {self.message}; {self.hint}"


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform that loaded: who brings it and what it offers, at most one spec of a kind."""

    name: str
    module: str
    distribution: str
    version: str
    specs: tuple[Spec, ...]


def kind_of(spec: Spec) -> Kind:
    """Which section of hub.yaml the spec is for."""
    return "camera" if isinstance(spec, CameraSpec) else "storage" if isinstance(spec, StorageSpec) else "recognizer"


class Catalog:
    """Looks at what is installed when it is made; imports nothing until `load` or `load_all`."""

    def __init__(self, *, external: bool | None = None) -> None:
        """`external` decides over third-party plugins; by default the environment does."""
        if external is None:
            external = os.environ.get(NO_EXTERNAL_PLUGINS, "").lower() not in ("1", "true", "yes")
        self._offers: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=ENTRY_POINT_GROUP):
            if external or _distribution(point) == PROJECT:
                self._offers.setdefault(point.name, []).append(point)
        self._platforms: dict[str, Platform] = {}
        self._faults: dict[str, Fault] = {}

    @property
    def installed(self) -> list[str]:
        """The names of all platforms that are installed, loadable or not."""
        return sorted(self._offers)

    @property
    def platforms(self) -> list[Platform]:
        """What has been loaded, by name."""
        return [self._platforms[name] for name in sorted(self._platforms)]

    @property
    def faults(self) -> list[Fault]:
        """What could not be loaded, by name."""
        return [self._faults[name] for name in sorted(self._faults)]

    @property
    def modules(self) -> dict[str, str]:
        """Which loaded module belongs to which platform (for the watchdog)."""
        return {platform.module: platform.name for platform in self._platforms.values()}

    def load(self, names: Iterable[str]) -> None:
        """Imports these platforms, each on its own; one that fails becomes a fault and the others load."""
        for name in names:
            if name not in self._platforms and name not in self._faults:
                self._load(name)

    def load_all(self) -> None:
        """Imports everything that is installed (for `fras plugins` and `fras check --schema`)."""
        self.load(self.installed)

    def names(self, kind: Kind) -> list[str]:
        """The loaded platforms that offer this kind of plugin."""
        return [platform.name for platform in self.platforms if any(kind_of(spec) == kind for spec in platform.specs)]

    @overload
    def spec(self, kind: Literal["camera"], name: str) -> CameraSpec: ...
    @overload
    def spec(self, kind: Literal["recognizer"], name: str) -> RecognizerSpec: ...
    @overload
    def spec(self, kind: Literal["storage"], name: str) -> StorageSpec: ...
    @overload
    def spec(self, kind: Kind, name: str) -> Spec: ...

    def spec(self, kind: Kind, name: str) -> Spec:
        """The spec of a loaded platform; raises KeyError, and `faults` may say why."""
        for spec in self._platforms[name].specs:
            if kind_of(spec) == kind:
                return spec
        raise KeyError(name)

    def _load(self, name: str) -> None:
        points = self._offers.get(name, [])
        try:
            if not points:
                raise self._unknown(name)
            if len(points) > 1:
                both = " and ".join(sorted(_distribution(point) for point in points))
                raise _Unusable(f"{both} both offer it", "uninstall one of them")
            specs = _specs_of(points[0])
        except _Unusable as problem:
            distribution = ", ".join(sorted(_distribution(point) for point in points))
            self._faults[name] = Fault(name, distribution, problem.message, problem.hint)
        else:
            self._platforms[name] = Platform(
                name, points[0].module, _distribution(points[0]), _version(points[0]), specs
            )

    def _unknown(self, name: str) -> _Unusable:
        if not self._offers:
            return _Unusable("no plugins are installed at all", "install FRAS into this Python: make install")
        near = difflib.get_close_matches(name, self._offers, n=1)
        return _Unusable(
            "no installed package offers it",
            f"did you mean {near[0]}?" if near else f"there are: {', '.join(self.installed)}",
        )


class _Unusable(Exception):
    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def _specs_of(point: EntryPoint) -> tuple[Spec, ...]:
    distribution = _distribution(point)
    told = _answer(point, _imported(point))
    if inspect.iscoroutine(told):
        told.close()
    if not isinstance(told, Sequence) or isinstance(told, str | bytes):
        raise _broken(distribution, f"its hook returned a {type(told).__name__} instead of a list of specs")
    if not told:
        raise _broken(distribution, "its hook returned no spec")
    for spec in told:
        _check_spec(point, spec)
    kinds = [kind_of(spec) for spec in told]
    if len(set(kinds)) < len(kinds):
        raise _broken(distribution, f"its hook returned two specs of one kind ({', '.join(kinds)})")
    return tuple(told)


def _imported(point: EntryPoint) -> object:
    try:
        return importlib.import_module(point.module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit() at import, or a Rust extension's panic
        _log.debug("import of %s failed", point.module, exc_info=error)
        raise _Unusable(f"its import failed: {_place(error)}", _remedy(error, point)) from None


def _answer(point: EntryPoint, module: object) -> object:
    """What the module's hook returns, called through a manager of its own so that nothing is shared."""
    distribution = _distribution(point)
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name=point.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise _broken(distribution, " ".join(str(error).split())) from None
    if not manager.hook.fras_plugins.get_hookimpls():
        raise _broken(distribution, f"{point.module} has no function fras_plugins marked with hub.plugin.hookimpl")
    try:
        answers: list[object] = manager.hook.fras_plugins()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        _log.debug("hook of %s failed", point.module, exc_info=error)
        raise _broken(distribution, f"its hook raised {summary(error)}") from None
    if not answers:  # pluggy leaves None out
        raise _broken(distribution, "its hook returned None instead of a list of specs")
    return answers[0]


def _check_spec(point: EntryPoint, spec: object) -> None:
    distribution = _distribution(point)
    if not isinstance(spec, Spec):
        raise _broken(
            distribution,
            f"its hook returned a {type(spec).__name__} instead of a CameraSpec, RecognizerSpec or StorageSpec",
        )
    if spec.api_version != API_VERSION:
        raise _Unusable(
            f"it was written for version {spec.api_version!r} of the plugin interface, this hub has {API_VERSION}",
            f"install a release of {distribution} that fits this FRAS, or the other way round",
        )
    if spec.name != point.name:
        raise _broken(distribution, f"its entry point is called {point.name} but its spec {spec.name!r}")
    if not callable(getattr(spec, "open", None)):
        raise _broken(distribution, "the `open` of its spec cannot be called")
    try:
        vol.Schema(dict(spec.config_schema))({})
    except vol.Invalid:
        pass  # it compiles, and something is required
    except Exception as error:
        raise _broken(distribution, f"its config_schema is no voluptuous schema: {summary(error)}") from None


def _broken(distribution: str, message: str) -> _Unusable:
    return _Unusable(message, f"update {distribution}, or report it to its author")


def _remedy(error: BaseException, point: EntryPoint) -> str:
    distribution = _distribution(point)
    if isinstance(error, ModuleNotFoundError) and error.name:
        if point.module == error.name or point.module.startswith(f"{error.name}."):
            return f"install {distribution} again"
        return f"install what provides {error.name} into the hub's Python, or {distribution} again"
    return f"update {distribution}, or report it to its author"


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"SyntaxError: {error.msg} ({os.path.basename(error.filename)}, line {error.lineno})"  # noqa: PTH119
    return summary(error)


def _distribution(point: EntryPoint) -> str:
    try:
        return (point.dist and point.dist.name) or "an unknown package"
    except Exception:  # its METADATA is missing or damaged
        return "an unknown package"


def _version(point: EntryPoint) -> str:
    try:
        return (point.dist and point.dist.version) or ""
    except Exception:
        return ""
