"""What was measured beside what was expected."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from pgpool_lab.harness.bounds import Bound, Bounds
from pgpool_lab.harness.measures import Gap, Measures

MUST_HAPPEN = ("promotion_seconds", "takeover_seconds")
"""What a bound says must be seen.

A detection can be missed: pgpool 3.2 does not log that another pgpool is gone, and a node's log is read from the moment
on at which it is connected to, after a silence anew. So can a belief: pgpool says nothing during a failover, and the
repair may begin before it was asked again. An outage can be too short."""


class Comparison(BaseModel):
    """One measure and its bound, in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The measure's name without its unit, in words."""
    measured: float | None
    """None: it didn't happen."""
    ended: bool
    """Whether an outage ended while it was watched; what has no length has ended."""
    bound: Bound | None
    """None: nothing is expected of it."""
    within: bool


def compare(measures: Measures, bounds: Bounds | None) -> tuple[Comparison, ...]:
    """Every measure beside the bound of its name; without bounds nothing is expected."""
    return tuple(comparisons(measures, bounds))


def comparisons(measures: Measures, bounds: Bounds | None) -> Iterator[Comparison]:
    """What was not seen is within its bound, unless it must happen."""
    for field in Measures.model_fields:
        value = getattr(measures, field)
        bound: Bound | None = None if bounds is None else getattr(bounds, field)
        limit = None if bound is None else bound.seconds
        name = in_words(field)
        if isinstance(value, Gap):
            within = limit is None or (value.over and value.seconds <= limit)
            yield Comparison(name=name, measured=value.seconds, ended=value.over, bound=bound, within=within)
        else:
            within = limit is None or (field not in MUST_HAPPEN if value is None else value <= limit)
            yield Comparison(name=name, measured=value, ended=True, bound=bound, within=within)


def in_words(field: str) -> str:
    """The name of a measure's field without its unit, in words; an output's name in it stays as it is written."""
    return field.removesuffix("_seconds").replace("_", " ").replace("dsn all", "dsn_all")
