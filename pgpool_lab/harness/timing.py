"""How long things may take, and the one factor that scales all of it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pgpool_lab.errors import LabError
from pgpool_lab.settings.presets import OWN, Value, preset_of

VARIABLE = "LAB_WAIT_FACTOR"

BOOT_SECONDS = 240
"""An emulated machine boots in about a minute; several times that on a busy host."""
FAILOVER_SECONDS: dict[str, float] = {"fast": 90, "procedure": 240, OWN: 240}
"""By timing preset. By hand failovers take 10 s to 30 s on emulated machines with short timings: three times the
longest is a failure, not slowness. The runbook's timings may add up to two minutes by themselves (`bounds`): twice
that."""
RETURN_SECONDS = 300
"""Until everything is healthy again after a rejoin with a base backup and the wait until all pgpools agree."""


def factor(environment: str | None = None) -> float:
    """The multiplier of every bound: 1 unless LAB_WAIT_FACTOR says otherwise. Raises LabError for no number."""
    text = environment if environment is not None else os.environ.get(VARIABLE, "1")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 100:
        raise LabError(f"{VARIABLE}: {text!r} is no factor", "a number such as 1.5")
    return value


def bounded(seconds: float) -> float:
    """A bound in seconds as it holds on this machine."""
    return seconds * factor()


def failover_seconds(timings: Mapping[str, Value]) -> float:
    """How long a failover may take with the stack's output `timings`, before the factor."""
    return FAILOVER_SECONDS[preset_of(timings)]
