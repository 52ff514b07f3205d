"""Options that live cameras have in common, for their `config_schema`."""

from __future__ import annotations

from typing import Final

from ..validators import Validator, duration_between

every: Final[Validator] = duration_between("10 ms", "10 min")
"""Between two looks. A school whose cameras look less often than `attendance->gap` is warned: see CameraSpec.rhythm."""

timeout: Final[Validator] = duration_between("100 ms", "4 min")
"""For one answer of the camera; the hub takes an opening for hung after five minutes without a sign of life."""
