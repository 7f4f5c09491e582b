"""How long things may take."""

from __future__ import annotations

import pytest

from pgpool_lab.harness.assessment import EVERYTHING, watched_on
from pgpool_lab.harness.bounds import bounds
from pgpool_lab.harness.timing import delay_seconds, failover_seconds
from pgpool_lab.settings.presets import PRESETS


@pytest.mark.parametrize("nodes", [2, 3])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_failover_is_waited_for_longer_than_it_may_take(preset: str, nodes: int) -> None:
    timings = PRESETS[preset]
    watched = watched_on(nodes)
    longest = bounds(
        timings, members=nodes, asks_again=False, confirmed=True, struck=EVERYTHING, watched=watched
    ).write_outage
    assert longest is not None
    assert longest.seconds < failover_seconds(timings)


def test_timings_of_one_s_own_are_waited_for_as_long_as_the_longest_preset_s() -> None:
    assert failover_seconds({"wd_heartbeat_deadtime": 17}) == max(failover_seconds(each) for each in PRESETS.values())


@pytest.mark.parametrize(("preset", "expected"), [("fast", 10), ("procedure", 15)])
def test_a_read_may_be_behind_for_as_long_as_pgpool_does_not_look(preset: str, expected: float) -> None:
    assert delay_seconds(PRESETS[preset]) == expected
