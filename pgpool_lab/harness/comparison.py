"""What was measured beside what was expected."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from pgpool_lab.harness.bounds import Bound, Bounds
from pgpool_lab.harness.measures import Gap, Measures


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
    """An outage that was too short to be seen is within its bound; an event that is expected must have happened."""
    for field in Measures.model_fields:
        value = getattr(measures, field)
        bound: Bound | None = None if bounds is None else getattr(bounds, field)
        limit = None if bound is None else bound.seconds
        name = field.removesuffix("_seconds").replace("_", " ")
        if isinstance(value, Gap):
            within = limit is None or (value.over and value.seconds <= limit)
            yield Comparison(name=name, measured=value.seconds, ended=value.over, bound=bound, within=within)
        else:
            happens = field.endswith("_seconds")
            within = limit is None or (not happens if value is None else value <= limit)
            yield Comparison(name=name, measured=value, ended=True, bound=bound, within=within)
