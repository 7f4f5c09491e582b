"""How long things may take, before the factor that scales all of it (`pgpool_lab.waiting`)."""

from __future__ import annotations

from collections.abc import Mapping

from pgpool_lab.settings.presets import OWN, Value, preset_of

BOOT_SECONDS = 240
"""An emulated machine boots in about a minute; several times that on a busy host."""
FAILOVER_SECONDS: dict[str, float] = {"fast": 90, "procedure": 240, OWN: 240}
"""By timing preset. By hand failovers take 10 s to 30 s on emulated machines with short timings: three times the
longest is a failure, not slowness. The runbook's timings may add up to two minutes by themselves (`bounds`): twice
that."""
RETURN_SECONDS = 300
"""Until everything is healthy again after a rejoin with a base backup and the wait until all pgpools agree."""
ROUNDS = ("health_check_period", "sr_check_period", "wd_heartbeat_keepalive", "wd_interval")
"""The periods in which pgpool asks, and tells, who is there."""
REPLAY_SECONDS = 5.0
"""What an emulated standby needs to replay on a busy machine."""


def failover_seconds(timings: Mapping[str, Value]) -> float:
    """How long a failover may take with the stack's output `timings`, before the factor."""
    return FAILOVER_SECONDS[preset_of(timings)]


def longest_round_seconds(timings: Mapping[str, Value]) -> float:
    """The longest of those periods with the stack's output `timings`; 0 where nobody asks."""
    return max(float(timings.get(name, 0)) for name in ROUNDS)


def delay_seconds(timings: Mapping[str, Value]) -> float:
    """How far behind a read may be with the stack's output `timings`, before the factor.

    pgpool looks every `sr_check_period` whether a standby keeps up, and sends reads to one that does not until then
    (manual, "Streaming Replication Check").
    """
    return REPLAY_SECONDS + float(timings.get("sr_check_period", 0))
