"""How long a failover may take with the timings in force: the sum of everything that may have to be waited for.

Files and constants are those of pgpool-II 4.3.5, and of 3.2.9 where pgpools watch each other by queries. Where pgpool
waits for something that has no bound of its own, the allowances below stand; they are generous for what takes a second
on idle hardware. Most of each sum are timers, which run no slower on emulated nodes: three runs by hand (11 s, 10 s,
29 s) stayed below the sums themselves. `multiplier` (`waiting.factor`) stretches the sum on machines where everything
is slow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

STOP_SECONDS = 5.0
"""An orderly stop: PostgreSQL writes its shutdown checkpoint, pgpool ends its children. 2.5 s when measured."""
ESCALATION_SECONDS = 5.0
"""wd_escalation.c runs wd_escalation_command, if_up_cmd and arping_cmd one after the other. 3.5 s when measured."""
SCRIPT_SECONDS = 8.0
"""The failover script gives up fencing after 5 s (failover.py, FENCE_SECONDS), and asks the standbys at the same time,
which have answered by then; it is started through a shell and an interpreter."""
ASKING_SECONDS = 5.0
"""A new leader asks its own pgpool what the checks last said, and hands in the failover that was refused. 1.5 s when
measured."""
PROMOTION_SECONDS = 10.0
"""A standby replays what it has received and switches its timeline. 5 s to 8 s when measured, the script included."""

FOLLOWING_SECONDS = 20.0
"""A standby is entered, finds the new primary and streams from it, beside all clients that come back. 17 s when
measured with three nodes on two saturated cores."""

LOGIN_SECONDS = 2.0
"""An emulated pgpool logs in to every backend for each client. 1.5 s when measured."""

DEAD_PEER_SECONDS = 4.0
"""A connection to a peer that is gone, without a timeout of its own: the kernel asks three times, a second apart, who
has the address (arp(7), mcast_solicit and retrans_time_ms)."""


CHECK = "main/health_check.c, establish_persistent_connection"
REPLY = "watchdog/watchdog.c, MAX_SECS_WAIT_FOR_REPLY_FROM_NODE"


class Term(BaseModel):
    """One wait."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    seconds: float
    source: str
    """Where the figure comes from: parameters, pgpool's file and constant, or this module's allowance."""


class Bound(BaseModel):
    """The longest that something may take, with its parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float
    """The sum of the terms, times the multiplier."""
    terms: tuple[Term, ...]
    multiplier: float


class Bounds(BaseModel):
    """By the names of the measures. None: it is not expected to happen at all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    write_outage: Bound | None
    write_outage_by_dsn_all: Bound | None
    read_outage: Bound
    vip_outage: Bound | None
    holder_outage: Bound | None
    detection_seconds: Bound | None
    promotion_seconds: Bound | None
    belief_seconds: Bound | None
    takeover_seconds: Bound | None


@dataclass(frozen=True)
class Struck:
    """What a fault takes from the cluster. With none of the three it is the pgpool of a node that is not the holder."""

    primary: Literal["refuses", "silent"] | None = None
    """What connections to the primary's PostgreSQL get: refused (its processes ended), or no answer (hung, cut off)."""
    holder: Literal["announced", "silent"] | None = None
    """How the holder's pgpool left: in order, telling its peers, or without a word (killed, hung, cut off)."""
    standby: Literal["refuses", "silent"] | None = None
    """The same as of the primary's PostgreSQL of another node's: until pgpool has detached it, new sessions end."""
    pgpool_alone: bool = False
    """Whether the fault takes no PostgreSQL, a standby's neither: then every other pgpool goes on serving. One that
    believes in a backend that is gone ends new sessions until it is detached."""


@dataclass(frozen=True)
class Watched:
    """What watching adds, in seconds."""

    client_seconds: float
    """Until a client notices that the service is back: WorkloadSettings.return_seconds."""
    by_dsn_all_seconds: float
    """The same for the client that tries every pgpool: WorkloadSettings.return_seconds_by_dsn_all."""
    sampling_seconds: float
    """Between two samples of one node, and how long one may take."""
    view_seconds: float
    """Until a node's pgpool that serves again was asked what it believes."""


def bounds(
    timings: Mapping[str, int | bool | str],
    *,
    members: int,
    asks_again: bool,
    confirmed: bool = False,
    struck: Struck,
    watched: Watched,
    multiplier: float = 1.0,
) -> Bounds:
    """Bounds for a fault on a cluster of so many watchdog members: its nodes, and a witness where it has one.

    `timings`: the stack's output, pgpool's parameters in seconds. `asks_again`: whether a new leader asks again for the
    failovers that were refused before it led. `confirmed`: whether a commit waits for a standby.

    Raises ValueError for a parameter that is missing, or that turns a check off which the fault needs.
    """

    def total(*parts: tuple[Term, ...]) -> Bound:
        terms = tuple(term for part in parts for term in part)
        return Bound(seconds=multiplier * length(terms), terms=terms, multiplier=multiplier)

    client = (Term(what="clients come back", seconds=watched.client_seconds, source="workload settings"),)
    by_all = (
        Term(what="the client of dsn_all comes back", seconds=watched.by_dsn_all_seconds, source="workload settings"),
    )
    seen = (Term(what="pgpool is asked what it believes", seconds=watched.view_seconds, source="lab-node watch"),)
    sampled = (Term(what="pace of sampling", seconds=watched.sampling_seconds, source="observer"),)
    lost: tuple[Term, ...] = ()
    elected: tuple[Term, ...] = ()
    vip: tuple[Term, ...] = ()
    promoted: tuple[Term, ...] = ()
    served: tuple[Term, ...] = ()
    noticed: list[tuple[Term, ...]] = []
    if struck.holder is not None:
        lost = watchdog_detection(timings, struck.holder, members)
        # 3.2 does not log that another pgpool is gone (`pgpool_lab/node/noticed.py`).
        noticed += [] if by_query(timings) else [lost]
        elected = succession() if by_query(timings) else election(members)
        vip = (*lost, *elected, *escalation())
    if struck.primary is not None:
        checked = backend_detection(timings, struck.primary)
        noticed.append(checked)
        promoted = (*agreed(checked, (*lost, *elected), asks_again=asks_again), *promotion())
        served = (*promoted, *primary_search())
    elif struck.standby is not None:
        checked = backend_detection(timings, struck.standby)
        noticed.append(checked)
        detached = (*agreed(checked, (*lost, *elected), asks_again=asks_again), script())
        served = (*detached, *primary_search())
    # With both struck the virtual IP comes up while the backend is still being checked.
    service = max(vip, served, key=length)
    follows = Term(what="a standby follows the new primary", seconds=FOLLOWING_SECONDS, source="FOLLOWING_SECONDS")
    confirmation = (follows,) if confirmed and struck.primary is not None else ()
    # Where other pgpools go on serving, nothing has to be found out and moved first: the stop alone is waited for.
    stop = lost if struck.holder == "announced" else ()
    return Bounds(
        write_outage=total(service, confirmation, client),
        write_outage_by_dsn_all=total(stop if struck.pgpool_alone else service, confirmation, by_all),
        read_outage=total(service, client),
        vip_outage=total(vip, sampled) if vip else None,
        holder_outage=total(vip, sampled) if vip else None,
        detection_seconds=total(min(noticed, key=length), sampled) if noticed else None,
        promotion_seconds=total(promoted, sampled) if promoted else None,
        # pgpool answers nobody before its failover is over.
        belief_seconds=total(served, seen, sampled) if served else None,
        takeover_seconds=total(vip, sampled) if vip else None,
    )


def unnoticed_seconds(timings: Mapping[str, int | bool | str], *, members: int) -> float:
    """The longest that a loss may go unnoticed by so many watchdog members, in seconds. Raises ValueError as above."""
    backend, peer = backend_detection(timings, "silent"), watchdog_detection(timings, "silent", members)
    return max(length(backend), length(peer))


def agreed(checked: tuple[Term, ...], leader: tuple[Term, ...], *, asks_again: bool) -> tuple[Term, ...]:
    """Until there is a leader that takes the failed check for a failover; the old one does at once where it is left.

    The check may come first: its request is refused while there is no leader (watchdog/watchdog.c,
    process_IPC_failover_command). It counts when the new one asks again; otherwise the next round of checks does.
    """
    if not leader or not asks_again:
        return (*leader, *checked)
    asking = Term(what="the new leader asks again", seconds=ASKING_SECONDS, source="ASKING_SECONDS")
    return max((*leader, asking), checked, key=length)


def length(terms: tuple[Term, ...]) -> float:
    """Their sum, in seconds."""
    return sum(term.seconds for term in terms)


def backend_detection(timings: Mapping[str, int | bool | str], how: str) -> tuple[Term, ...]:
    """Until the health check gives a backend up."""
    period = seconds(timings, "health_check_period")
    if period == 0:
        raise ValueError("health_check_period is 0: the health check is off, and nothing else bounds the detection")
    retries, delay = seconds(timings, "health_check_max_retries"), seconds(timings, "health_check_retry_delay")
    source = "health_check_period; main/health_check.c, do_health_check_child"
    waits = [Term(what="next health check", seconds=period, source=source)]
    if how == "silent":
        timeout = seconds(timings, "health_check_timeout")
        if timeout == 0:
            raise ValueError("health_check_timeout is 0: a check of a silent backend has no bound")
        source = f"health_check_timeout * (health_check_max_retries + 1); {CHECK}"
        waits.append(Term(what="checks run into their timeout", seconds=timeout * (retries + 1), source=source))
    else:
        waits.insert(0, Term(what="PostgreSQL stops", seconds=STOP_SECONDS, source="STOP_SECONDS"))
    if retries:
        source = f"health_check_retry_delay * health_check_max_retries; {CHECK}"
        waits.append(Term(what="pauses between checks", seconds=delay * retries, source=source))
    return tuple(waits)


def watchdog_detection(timings: Mapping[str, int | bool | str], how: str, members: int) -> tuple[Term, ...]:
    """Until the peers hold the leader for lost."""
    if how == "announced":
        source = "STOP_SECONDS; watchdog/watchdog.c, WD_INFORM_I_AM_GOING_DOWN"
        return (Term(what="pgpool stops and says so", seconds=STOP_SECONDS, source=source),)
    interval = seconds(timings, "wd_interval")
    if by_query(timings):
        source = (
            "wd_life_point * (wd_interval + its connect_timeout, wd_interval / 2 + 1); 3.2.9, watchdog/wd_lifecheck.c"
        )
        lives = seconds(timings, "wd_life_point")
        logins = lives * (members - 1) * LOGIN_SECONDS
        return (
            Term(what="queries without an answer", seconds=lives * (interval + interval // 2 + 1), source=source),
            Term(
                what="logins at the other pgpools, one after the other",
                seconds=logins,
                source="LOGIN_SECONDS; 3.2.9, watchdog/wd_lifecheck.c, create_conn within wd_lifecheck's loop",
            ),
        )
    deadtime = seconds(timings, "wd_heartbeat_deadtime")
    return (
        Term(
            what="no heartbeat",
            seconds=deadtime + 1,
            source="wd_heartbeat_deadtime + 1; watchdog/wd_lifecheck.c, wd_check_heartbeat: more, in whole seconds",
        ),
        Term(what="next life check", seconds=interval, source="wd_interval; watchdog/wd_lifecheck.c, lifecheck_main"),
    )


def by_query(timings: Mapping[str, int | bool | str]) -> bool:
    """Whether pgpools watch each other by queries: the parameters of one way are left out where the other is used."""
    return "wd_life_point" in timings and "wd_heartbeat_deadtime" not in timings


def succession() -> tuple[Term, ...]:
    """Until the oldest of the pgpools that remain has told the others that it leads; there is no vote."""
    source = "DEAD_PEER_SECONDS; 3.2.9, watchdog/wd_packet.c, wd_stand_for_master"
    return (Term(what="the peers are told who leads", seconds=DEAD_PEER_SECONDS, source=source),)


def election(members: int) -> tuple[Term, ...]:
    """Until a new leader is declared, when a peer that can't answer is waited for in every state.

    A live peer's answer ends a wait early; what remains of two members has nobody to stand against.
    """
    waits = [
        Term(what="watchdog state JOINING", seconds=5, source=REPLY),
        Term(what="watchdog state INITIALIZING", seconds=1, source="watchdog/watchdog.c, set_timeout(1)"),
    ]
    if members > 2:
        waits.append(Term(what="watchdog state STANDING FOR LEADER", seconds=5, source=REPLY))
    waits.append(Term(what="declaring the leader", seconds=5, source=REPLY))
    return tuple(waits)


def escalation() -> tuple[Term, ...]:
    """Until the new leader has the virtual IP and has announced it."""
    source = "ESCALATION_SECONDS; watchdog/wd_escalation.c, fork_escalation_process"
    return (Term(what="virtual IP is brought up", seconds=ESCALATION_SECONDS, source=source),)


def promotion() -> tuple[Term, ...]:
    """Until the new primary takes writes."""
    return (script(), Term(what="standby is promoted", seconds=PROMOTION_SECONDS, source="PROMOTION_SECONDS"))


def script() -> Term:
    """Until the failover script knows what is to be done."""
    return Term(what="failover script decides and fences", seconds=SCRIPT_SECONDS, source="SCRIPT_SECONDS")


def primary_search() -> tuple[Term, ...]:
    """Until pgpool has found the new primary and lets clients in."""
    source = "main/pgpool_main.c, find_primary_node_repeatedly: pool_sleep(1)"
    return (Term(what="pgpool looks for the primary", seconds=1, source=source),)


def seconds(timings: Mapping[str, int | bool | str], name: str) -> float:
    """One parameter. Raises ValueError when the lab's timings lack it."""
    if name not in timings:
        raise ValueError(f"the lab's timings lack {name}: no bound is known for this pgpool")
    return float(timings[name])
