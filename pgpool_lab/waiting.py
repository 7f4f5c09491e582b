"""Bounded polls on a condition, scaled by one factor for slow machines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


class NotInTime(AssertionError):
    """A condition did not come true within its bound: what was waited for, and what was seen last."""


def wait_for(
    probe: Callable[[], Value], accept: Callable[[Value], bool], *, seconds: float, what: str, pause: float = 0.5
) -> Value:
    """Poll `probe` until `accept` takes its value, which is returned. Raises NotInTime after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if accept(value):
            return value
        if time.monotonic() > deadline:
            raise NotInTime(f"{what}: not within {seconds:.0f} s; last seen: {value}")
        time.sleep(pause)
