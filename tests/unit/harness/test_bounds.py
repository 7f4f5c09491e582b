"""Bounds by hand: what each fault may cost with the presets' values, and where every figure comes from."""

from __future__ import annotations

import pytest

from pgpool_lab.harness.bounds import Bound, Bounds, Struck, Watched, bounds
from pgpool_lab.harness.workload.settings import WorkloadSettings

FAST = {
    "health_check_period": 2,
    "health_check_timeout": 3,
    "health_check_max_retries": 1,
    "health_check_retry_delay": 1,
    "wd_interval": 1,
    "wd_heartbeat_deadtime": 5,
}
PROCEDURE = {
    "health_check_period": 20,
    "health_check_timeout": 20,
    "health_check_max_retries": 0,
    "health_check_retry_delay": 1,
    "wd_interval": 10,
    "wd_heartbeat_deadtime": 30,
}
BY_QUERY = {name: value for name, value in PROCEDURE.items() if name != "wd_heartbeat_deadtime"} | {"wd_life_point": 3}
WATCHED = Watched(client_seconds=7, by_dsn_all_seconds=13, sampling_seconds=2, view_seconds=3)

STOPPED_PGPOOL = Struck(holder="announced")
LOST_HOLDER = Struck(holder="silent")
STOPPED_PRIMARY = Struck(primary="refuses")
HUNG_PRIMARY = Struck(primary="silent")
DEAD_HOST = Struck(primary="silent", holder="silent")


def of(
    struck: Struck,
    timings: dict[str, int] = FAST,
    *,
    nodes: int = 2,
    multiplier: float = 1.0,
    asks_again: bool = False,
) -> Bounds:
    return bounds(timings, members=nodes, asks_again=asks_again, struck=struck, watched=WATCHED, multiplier=multiplier)


def words(bound: Bound | None) -> list[str]:
    assert bound is not None
    return [term.what for term in bound.terms]


WRITE_OUTAGES = {
    # stop 5, election 5 + 1 + 5, escalation 5, client 7
    "pgpool stopped": (STOPPED_PGPOOL, FAST, 2, 28),
    # the third node makes the leader stand for election: 5 more
    "pgpool stopped, three nodes": (STOPPED_PGPOOL, FAST, 3, 33),
    # deadtime 5 + 1, interval 1, election 11, escalation 5, client 7
    "holder lost": (LOST_HOLDER, FAST, 2, 30),
    # stop 5, period 2, delay 1 * 1, script 8, promotion 10, search 1, client 7
    "PostgreSQL stopped": (STOPPED_PRIMARY, FAST, 2, 34),
    # period 2, timeout 3 * 2, delay 1, script 8, promotion 10, search 1, client 7
    "PostgreSQL hangs": (HUNG_PRIMARY, FAST, 2, 35),
    # heartbeat 7, election 11, then the check 9 as above, script, promotion, search 19, client 7
    "host dead": (DEAD_HOST, FAST, 2, 53),
    # period 20, timeout 20 * 1, no retry, 19, client 7
    "PostgreSQL hangs, the procedure's timings": (HUNG_PRIMARY, PROCEDURE, 2, 66),
    # deadtime 31, interval 10, election 11, check 40, 19, client 7
    "host dead, the procedure's timings": (DEAD_HOST, PROCEDURE, 2, 118),
    # stop 5, no vote: the peers are told 4, escalation 5, client 7
    "pgpool stopped, watched by queries": (STOPPED_PGPOOL, BY_QUERY, 3, 21),
    # period 2, timeout 3 * 2, delay 1, script 8, search 1, client 7
    "a standby's PostgreSQL hangs": (Struck(standby="silent"), FAST, 3, 25),
    # heartbeat 7, election 16, then the check 9 as above, script 8, search 1, client 7
    "the holder's host is dead, a standby": (Struck(holder="silent", standby="silent"), FAST, 3, 48),
    # client 7
    "pgpool stopped that is not the holder's": (Struck(pgpool_alone=True), FAST, 3, 7),
    # 3 * (interval 10 + connect_timeout 6 + two logins of 2), the peers are told 4, check 40, 19, client 7
    "host dead, watched by queries": (DEAD_HOST, BY_QUERY, 3, 130),
}


@pytest.mark.parametrize(("struck", "timings", "nodes", "expected"), WRITE_OUTAGES.values(), ids=WRITE_OUTAGES.keys())
def test_the_write_outage_is_bounded_by_everything_that_is_waited_for(
    struck: Struck, timings: dict[str, int], nodes: int, expected: float
) -> None:
    found = of(struck, timings, nodes=nodes)
    assert found.write_outage is not None and found.write_outage.seconds == expected
    assert found.read_outage == found.write_outage


MEASURED = {"pgpool stopped": (STOPPED_PGPOOL, 11.2), "stopped": (STOPPED_PRIMARY, 9.6), "host dead": (DEAD_HOST, 28.8)}


@pytest.mark.parametrize(("struck", "seconds"), MEASURED.values(), ids=MEASURED.keys())
def test_what_was_measured_by_hand_lies_within_the_bounds_and_not_far_below(struck: Struck, seconds: float) -> None:
    bound = of(struck).write_outage
    assert bound is not None and seconds < bound.seconds < 4 * seconds


def test_a_lost_primary_moves_no_virtual_ip_and_a_lost_holder_promotes_nobody() -> None:
    primary, holder = of(STOPPED_PRIMARY), of(STOPPED_PGPOOL)
    assert (primary.vip_outage, primary.holder_outage, primary.takeover_seconds) == (None, None, None)
    assert (holder.promotion_seconds, holder.belief_seconds) == (None, None)
    assert words(holder.vip_outage)[-2:] == ["virtual IP is brought up", "pace of sampling"]


def test_a_dead_host_s_failover_waits_for_the_election_and_is_then_checked_again() -> None:
    found = of(DEAD_HOST)
    assert words(found.promotion_seconds) == [
        "no heartbeat",
        "next life check",
        "watchdog state JOINING",
        "watchdog state INITIALIZING",
        "declaring the leader",
        "next health check",
        "checks run into their timeout",
        "pauses between checks",
        "failover script decides and fences",
        "standby is promoted",
        "pace of sampling",
    ]
    assert words(found.belief_seconds)[-4:] == [
        "standby is promoted",
        "pgpool looks for the primary",
        "pgpool is asked what it believes",
        "pace of sampling",
    ]


def test_a_loss_is_noticed_by_whoever_is_the_first_to_find_it_out() -> None:
    assert words(of(STOPPED_PGPOOL).detection_seconds) == ["pgpool stops and says so", "pace of sampling"]
    assert words(of(DEAD_HOST).detection_seconds) == ["no heartbeat", "next life check", "pace of sampling"]
    assert words(of(HUNG_PRIMARY).detection_seconds) == [
        "next health check",
        "checks run into their timeout",
        "pauses between checks",
        "pace of sampling",
    ]


def test_of_two_that_could_find_it_out_only_one_that_logs_it_counts() -> None:
    assert of(STOPPED_PGPOOL, BY_QUERY).detection_seconds is None
    assert words(of(DEAD_HOST, BY_QUERY).detection_seconds)[0] == "next health check"


@pytest.mark.parametrize(
    ("timings", "expected"),
    [
        # heartbeat 7, election 11, asking 5, script, promotion, search 19, client 7; the checks took 9
        (FAST, 49),
        # checks that take longer than the election are not refused: period 30, timeout 20 * 2, delay 1, 19, client 7
        (FAST | {"health_check_period": 30, "health_check_timeout": 20}, 97),
    ],
)
def test_a_leader_that_asks_again_does_not_wait_for_another_round_of_checks(
    timings: dict[str, int], expected: float
) -> None:
    bound = of(DEAD_HOST, timings, asks_again=True).write_outage
    assert bound is not None and bound.seconds == expected


def test_a_leader_that_asks_again_changes_nothing_where_only_one_of_both_is_struck() -> None:
    for struck in (STOPPED_PGPOOL, LOST_HOLDER, STOPPED_PRIMARY, HUNG_PRIMARY):
        assert of(struck, asks_again=True) == of(struck)


def test_the_multiplier_stretches_every_bound() -> None:
    one, stretched = of(DEAD_HOST), of(DEAD_HOST, multiplier=1.5)
    for name in Bounds.model_fields:
        assert getattr(stretched, name).seconds == 1.5 * getattr(one, name).seconds


def test_every_figure_names_its_source() -> None:
    for struck in (STOPPED_PGPOOL, DEAD_HOST, STOPPED_PRIMARY):
        bound = of(struck, nodes=3).write_outage
        assert bound is not None and all(term.source and term.seconds > 0 for term in bound.terms)


WITHOUT_BOUND = {
    "no health check": ({"health_check_period": 0}, HUNG_PRIMARY, "health_check_period is 0"),
    "no timeout": ({"health_check_timeout": 0}, HUNG_PRIMARY, "health_check_timeout is 0"),
}


@pytest.mark.parametrize(("change", "struck", "reason"), WITHOUT_BOUND.values(), ids=WITHOUT_BOUND.keys())
def test_what_has_no_bound_is_refused(change: dict[str, int], struck: Struck, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        bounds(FAST | change, members=2, asks_again=True, struck=struck, watched=WATCHED)


def test_timings_of_another_pgpool_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="wd_heartbeat_deadtime"):
        bounds({"wd_interval": 3}, members=2, asks_again=True, struck=LOST_HOLDER, watched=WATCHED)


def test_a_client_needs_its_timeout_its_pause_and_a_new_connection() -> None:
    settings = WorkloadSettings(
        writers=2,
        writes_per_second=10,
        statement_seconds=5,
        connect_seconds=4,
        connect_seconds_of_several=2,
        back_off_seconds=0.25,
        writes_per_second_by_dsn_all=2,
    )
    assert settings.return_seconds() == pytest.approx(5 + 0.25 + 4 + 0.2)
    assert settings.return_seconds_by_dsn_all(1) == pytest.approx(5 + 0.25 + 4 + 0.5)
    assert settings.return_seconds_by_dsn_all(2) == pytest.approx(6 + 0.25 + 6 + 0.5)


def test_by_dsn_all_no_takeover_is_waited_for_where_other_pgpools_go_on_serving() -> None:
    alone = {"announced": 5 + 13, "silent": 13}
    for how, expected in alone.items():
        struck = Struck(holder="silent" if how == "silent" else "announced", pgpool_alone=True)
        bound = of(struck).write_outage_by_dsn_all
        assert bound is not None and bound.seconds == expected


@pytest.mark.parametrize("struck", [LOST_HOLDER, STOPPED_PRIMARY, DEAD_HOST])
def test_by_dsn_all_a_lost_backend_is_waited_for_as_through_the_virtual_ip(struck: Struck) -> None:
    found = of(struck)
    assert found.write_outage is not None and found.write_outage_by_dsn_all is not None
    assert found.write_outage_by_dsn_all.seconds == found.write_outage.seconds - 7 + 13
