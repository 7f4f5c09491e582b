"""Bounded polls on a condition, and the one factor that scales every bound on slow machines."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

from pgpool_lab.errors import LabError

VARIABLE = "LAB_WAIT_FACTOR"

Value = TypeVar("Value")


class NotInTime(AssertionError):
    """A condition did not come true within its bound: what was waited for, and what was seen last."""


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


def wait_for(
    probe: Callable[[], Value], accept: Callable[[Value], bool], *, seconds: float, what: str, pause: float = 0.5
) -> Value:
    """Poll `probe` until `accept` takes its value, which is returned.

    Raises NotInTime after `seconds`, times the factor.
    """
    bound = bounded(seconds)
    deadline = time.monotonic() + bound
    while True:
        value = probe()
        if accept(value):
            return value
        if time.monotonic() > deadline:
            raise NotInTime(f"{what}: not within {bound:.0f} s; last seen: {value}")
        time.sleep(pause)
