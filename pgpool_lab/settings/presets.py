"""Timing presets: pgpool's parameters by their own names, times in seconds.

A parameter that a version doesn't know, or knows by a later name, is left out for it (`PgpoolSettings.timings`).

`procedure` holds the runbook's values where it gives one and pgpool's defaults elsewhere; `fast` is the shortest
that stays stable on two emulated nodes that share two cores.
"""

from __future__ import annotations

from collections.abc import Mapping

Value = int | str | bool

PRESETS: dict[str, dict[str, Value]] = {
    "procedure": {
        "health_check_period": 20,
        "health_check_timeout": 20,
        "health_check_max_retries": 0,
        "health_check_retry_delay": 1,
        "connect_timeout": 10000,
        "sr_check_period": 10,
        "search_primary_node_timeout": 300,
        "wd_interval": 10,
        "wd_heartbeat_keepalive": 2,
        "wd_heartbeat_deadtime": 30,
        # Off by default since 4.3; the runbook's pgpool 3.2 fails over at once when PostgreSQL is stopped.
        "failover_on_backend_shutdown": True,
        "failover_on_backend_error": True,
        "fail_over_on_backend_error": True,
    },
    "fast": {
        # A stopped PostgreSQL refuses the next check within two seconds. Every check is a login by scram: once a
        # second, they and the replication checks took a third of an emulated node's time. docs/measurements.md has
        # failovers with checks every three and five seconds, too.
        "health_check_period": 2,
        # A query on a starved emulated node takes up to two seconds.
        "health_check_timeout": 3,
        # One lost check on a busy node is no failure.
        "health_check_max_retries": 1,
        # A dead host is given up after 7 s to 9 s, then.
        "health_check_retry_delay": 1,
        "connect_timeout": 3000,
        # Also the pace at which a lagging standby is noticed.
        "sr_check_period": 5,
        # Promotion takes seconds; when no primary is found by then, waiting on does not bring one.
        "search_primary_node_timeout": 30,
        "wd_interval": 1,
        "wd_heartbeat_keepalive": 1,
        # Four seconds of silence, since whole seconds are compared (wd_lifecheck.c, wd_check_heartbeat). In half an
        # hour of failovers on two emulated nodes, heartbeats of a node that ran were two seconds apart at most.
        "wd_heartbeat_deadtime": 3,
        "failover_on_backend_shutdown": True,
        "failover_on_backend_error": True,
        "fail_over_on_backend_error": True,
    },
}

OWN = "own"
"""Name of timings that are no preset's."""

QUERY_LIFECHECK: dict[str, dict[str, Value]] = {
    "procedure": {"wd_life_point": 3},
    # During a failover pgpool answers nobody for as long as the promotion takes: after so many failed checks, one a
    # wd_interval, it would declare itself dead and give the virtual IP up.
    "fast": {
        "wd_life_point": 20,
        # That holds for the search for the new primary, too, which this parameter bounds there. failover_command ends
        # after the promotion, so that a search which finds nobody at once finds nobody later.
        "recovery_timeout": 10,
    },
}
"""Added where pgpools can watch each other by queries only (3.2)."""


def preset_of(timings: Mapping[str, Value]) -> str:
    """Name of the preset that timings in force are, or OWN.

    A version knows some of a preset's parameters only: those that are there count.
    """
    for name, preset in PRESETS.items():
        if timings and all(preset.get(key, value) == value for key, value in timings.items()):
            return name
    return OWN
