"""How patient the hub is with plugins."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds, all of them."""

    open_warning: float = 10.0
    """An opening that takes longer is said, once."""
    open_cap: float = 300.0
    """An opening that has not reported progress for this long is given up and tried again."""
    close_cap: float = 5.0
    """A plugin that closes for longer is cancelled, and abandoned when it swallows that."""
    stop_cap: float = 4.0
    """What all plugins together have to close once the hub stops; leaves a second of five for the rest."""
    cancel_grace: float = 1.0
    """What a cancelled task has to end before it is abandoned."""
    call_cap: float = 120.0
    """A call to a recogniser or a storage that takes longer has hung: the plugin is opened anew."""
    first_retry: float = 1.0
    longest_retry: float = 60.0
    good_run: float = 60.0
    """After running for this long, a failure counts as the first again."""
    first_redelivery: float = 0.1
    longest_redelivery: float = 5.0
