"""Is the cluster as its operator believes? Pure: from what every node answers to sentences about what is wrong.

Used on the nodes (wait until all agree) and by the operator's `lab status`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]
"""One node's answer to `lab-node facts`; a witness's has nothing of PostgreSQL."""


NO_WITNESS: Mapping[str, Facts | None] = {}
"""What a lab without a witness has to say of it."""


def primaries(answers: Mapping[str, Facts | None]) -> list[str]:
    """Nodes whose PostgreSQL says that it is not in recovery."""
    return [
        name
        for name, facts in answers.items()
        if facts is not None and facts["postgres"]["running"] and facts["postgres"]["in_recovery"] is False
    ]


def holders(answers: Mapping[str, Facts | None]) -> list[str]:
    """Nodes that have the virtual IP on an interface."""
    return [name for name, facts in answers.items() if facts is not None and facts["vip"]]


def absentees(answers: Mapping[str, Facts | None]) -> list[str]:
    """Nodes whose PostgreSQL takes no part now: silent, stopped, hung, or following somebody else than the primary."""
    primary = primaries(answers)
    return [
        name
        for name, facts in answers.items()
        if facts is None
        or facts["postgres"]["in_recovery"] is None
        or (name not in primary and facts["postgres"]["streaming_from"] not in primary)
    ]


def without_pgpool(answers: Mapping[str, Facts | None]) -> list[str]:
    """Nodes that answer and whose pgpool does not run, or has no place in the watchdog cluster."""
    return [
        name
        for name, facts in answers.items()
        if facts is not None
        and not (facts["pgpool"]["running"] and facts["pgpool"]["watchdog_role"] in ("LEADER", "STANDBY"))
    ]


def to_attach(answers: Mapping[str, Facts | None], *, witness: Mapping[str, Facts | None] = NO_WITNESS) -> list[str]:
    """Backends that follow the one primary (or are it) while some pgpool holds them for down.

    A backend is attached only after it streams (rules of join, 6).
    """
    primary = primaries(answers)
    if len(primary) != 1:
        return []
    ready = {
        name
        for name, facts in answers.items()
        if facts is not None and (name == primary[0] or facts["postgres"]["streaming_from"] == primary[0])
    }
    believed_down = {
        backend["name"]
        for facts in (*answers.values(), *witness.values())
        if facts is not None
        for backend in facts["pgpool"]["backends"]
        if backend["status"] == "down"
    }
    return sorted(ready & believed_down)


def unaware(name: str, answers: Mapping[str, Facts | None]) -> list[str]:
    """Nodes whose pgpool holds a backend for down."""
    return [
        asked
        for asked, facts in answers.items()
        if facts is not None
        and any(backend["name"] == name and backend["status"] == "down" for backend in facts["pgpool"]["backends"])
    ]


def to_release(answers: Mapping[str, Facts | None]) -> list[str]:
    """Nodes that have the virtual IP while another node, which leads the watchdog cluster, has it as well.

    Nothing else takes it off them: a pgpool that does not lead has no address to give up (watchdog.c,
    resign_from_escalated_node).
    """
    holding = holders(answers)
    leading = [
        name for name, facts in answers.items() if facts is not None and facts["pgpool"]["watchdog_role"] == "LEADER"
    ]
    if len(leading) != 1 or leading[0] not in holding:
        return []
    return [name for name in holding if name != leading[0]]


def misled(answers: Mapping[str, Facts | None], *, witness: Mapping[str, Facts | None] = NO_WITNESS) -> list[str]:
    """Members whose pgpool believes something wrong of a backend of which the leading pgpool knows better.

    A pgpool takes the leader's view over when it joins and after a failover (4.3.5, pgpool_main.c,
    sync_backend_from_watchdog), the primary that the leader has not found yet as well. Nothing corrects it then.
    """
    primary = primaries(answers)
    running = {
        name: facts["pgpool"]
        for name, facts in {**answers, **witness}.items()
        if facts is not None and facts["pgpool"]["running"] and facts["pgpool"]["backends"]
    }
    leading = [name for name, pgpool in running.items() if pgpool["watchdog_role"] == "LEADER"]
    if len(primary) != 1 or len(leading) != 1 or not knows(running[leading[0]], primary[0]):
        return []
    return [
        name
        for name, pgpool in running.items()
        if pgpool["watchdog_role"] == "STANDBY" and not knows(pgpool, primary[0])
    ]


def without_primary(
    answers: Mapping[str, Facts | None], *, witness: Mapping[str, Facts | None] = NO_WITNESS
) -> list[str]:
    """Members whose pgpool uses the primary and takes nobody for it.

    A search that has found none, since nobody was promoted for long, is made again in a failover or at a start only
    (4.3.5, pgpool_main.c, find_primary_node_repeatedly). The leader is the last: who leads after it must know better.
    """
    primary = primaries(answers)
    lost = {
        name: facts["pgpool"]["watchdog_role"]
        for name, facts in {**answers, **witness}.items()
        if facts is not None and facts["pgpool"]["running"] and len(primary) == 1 and leaves_out(facts, primary[0])
    }
    return [name for name, role in lost.items() if role != "LEADER"] or list(lost)


def leaves_out(facts: Facts, primary: str) -> bool:
    """Whether a pgpool holds the primary for up, and nobody for the primary."""
    roles = {backend["name"]: backend["role"] for backend in facts["pgpool"]["backends"]}
    used = any(each["name"] == primary and each["status"] in ("up", "waiting") for each in facts["pgpool"]["backends"])
    return used and "primary" not in roles.values()


def mute(answers: Mapping[str, Facts | None], *, witness: Mapping[str, Facts | None] = NO_WITNESS) -> list[str]:
    """Members whose pgpool runs and does not say what it believes: it is busy, or waits for something for ever."""
    return [
        name
        for name, facts in {**answers, **witness}.items()
        if facts is not None and facts["pgpool"]["running"] and not facts["pgpool"]["backends"]
    ]


def knows(pgpool: Mapping[str, Any], primary: str) -> bool:
    """Whether a pgpool uses every backend, and takes the right one for the primary."""
    return all(
        backend["status"] in ("up", "waiting") and (backend["role"] == "primary") == (backend["name"] == primary)
        for backend in pgpool["backends"]
    )


def to_start(answers: Mapping[str, Facts | None], *, stopped_pgpools: Collection[str] = ()) -> list[str]:
    """Nodes whose pgpool was stopped, other than those where it may stay so."""
    return [
        name
        for name, facts in answers.items()
        if facts is not None and not facts["pgpool"]["running"] and name not in stopped_pgpools
    ]


def problems(
    answers: Mapping[str, Facts | None],
    *,
    witness: Mapping[str, Facts | None] = NO_WITNESS,
    stopped_pgpools: Collection[str] = (),
    absent: Collection[str] = (),
) -> list[str]:
    """Everything that keeps the cluster from being healthy, as sentences; empty means healthy.

    The `witness` answers for its pgpool alone. The pgpool of `stopped_pgpools`, and the PostgreSQL of `absent`, are no
    problem to somebody who did not want to mend them; that there are two primaries always is.
    """
    members = {**answers, **witness}
    found = [unreached(name) for name, facts in members.items() if facts is None and name not in absent]
    reached = {name: facts for name, facts in answers.items() if facts is not None}
    pgpools = {name: facts for name, facts in members.items() if facts is not None}
    found += postgres_problems(reached, primaries(answers), absent)
    found += pgpool_problems(pgpools, primaries(answers), stopped_pgpools, absent)
    found += lifecheck_problems(answers)
    found += vip_problems(pgpools, holders(members))
    found += witness_problems(witness)
    return found


def way_out(problems: Collection[str], witness: Mapping[str, Facts | None], stack: str = "STACK") -> str:
    """The command that mends these problems.

    A rejoin brings back a node, and starts the witness's pgpool; the witness's machine comes back by an update alone.
    """
    missing = [name for name, facts in witness.items() if facts is None]
    if not missing:
        return "./lab rejoin NODE"
    update = f"./lab up {stack}"
    if set(problems) <= {unreached(name) for name in missing}:
        return update
    return f"{update} for {' and '.join(missing)}, ./lab rejoin NODE for a node"


def unreached(name: str) -> str:
    """What is said of a machine that does not answer."""
    return f"{name} cannot be reached"


def postgres_problems(reached: Mapping[str, Facts], primary: Sequence[str], absent: Collection[str] = ()) -> list[str]:
    """Exactly one primary, and everyone else but the `absent` streams from it on its timeline."""
    found = [
        f"PostgreSQL is not running on {name}"
        for name, facts in reached.items()
        if not facts["postgres"]["running"] and name not in absent
    ]
    if not primary:
        return [*found, "no node is primary"]
    if len(primary) > 1:
        return [*found, f"more than one primary: {' and '.join(primary)}"]
    timeline = reached[primary[0]]["postgres"]["timeline"]
    for name, facts in reached.items():
        postgres = facts["postgres"]
        if name == primary[0] or name in absent or not postgres["running"]:
            continue
        if postgres["in_recovery"] is None:
            found.append(f"PostgreSQL on {name} does not answer")
        elif postgres["streaming_from"] != primary[0]:
            found.append(f"{name} does not stream from the primary {primary[0]}")
        elif postgres["timeline"] != timeline:
            found.append(f"{name} is on timeline {postgres['timeline']}, the primary on {timeline}")
    return found


def pgpool_problems(
    reached: Mapping[str, Facts],
    primary: Sequence[str],
    stopped: Collection[str] = (),
    absent: Collection[str] = (),
) -> list[str]:
    """pgpool runs everywhere, one leads, and all believe what PostgreSQL says.

    Not counted: what runs on the `stopped`, and what is believed of the `absent`.
    """
    found = []
    leaders = []
    for name, facts in reached.items():
        pgpool = facts["pgpool"]
        if pgpool["watchdog_role"] == "LEADER":
            leaders.append(name)
        if name in stopped:
            continue
        if not pgpool["running"]:
            found.append(f"pgpool is not running on {name}")
            continue
        if pgpool["watchdog_role"] != "LEADER" and pgpool["watchdog_role"] != "STANDBY":
            found.append(f"pgpool on {name} has watchdog state {pgpool['watchdog_role'] or 'unknown'}")
        if not pgpool["backends"]:
            found.append(f"pgpool on {name} does not say what it believes of the backends")
        for backend in pgpool["backends"]:
            if backend["name"] in absent:
                continue
            expected = "primary" if [backend["name"]] == list(primary) else "standby"
            if backend["status"] not in ("up", "waiting"):
                found.append(f"pgpool on {name} believes that {backend['name']} is {backend['status']}")
            elif primary and backend["role"] != expected:
                found.append(f"pgpool on {name} believes that {backend['name']} is {backend['role']}")
    if len(leaders) > 1:
        found.append(f"more than one watchdog leader: {' and '.join(leaders)}")
    if not leaders and any(facts["pgpool"]["running"] for facts in reached.values()):
        found.append("no pgpool leads the watchdog cluster")
    return found


def lifecheck_problems(answers: Mapping[str, Facts | None]) -> list[str]:
    """Every pgpool checks its peers, where it says so (elders.py).

    While a peer is missing, one that was started since cannot begin: nobody can wait for it, and the missing one is a
    problem of its own.
    """
    running = {name: facts["pgpool"] for name, facts in answers.items() if facts and facts["pgpool"]["running"]}
    found = []
    for name, pgpool in running.items():
        # A node that was set up by an earlier version of the lab does not speak of it.
        state = pgpool.get("lifecheck")
        if state == "down":
            found.append(f"pgpool on {name} has declared itself down; ./lab rejoin {name} restarts it")
        elif state == "waiting" and len(running) == len(answers):
            found.append(f"pgpool on {name} does not check its peers yet")
    return found


def witness_problems(witness: Mapping[str, Facts | None]) -> list[str]:
    """Where it leads, nobody can have the virtual IP; it must never have it itself."""
    reached = {name: facts for name, facts in witness.items() if facts is not None}
    found = [
        f"{name} leads the watchdog cluster, a witness that can serve nobody"
        for name, facts in reached.items()
        if facts["pgpool"]["watchdog_role"] == "LEADER"
    ]
    return [*found, *[f"{name} holds the virtual IP, a witness that can serve nobody" for name in holders(reached)]]


def vip_problems(reached: Mapping[str, Facts], holding: Sequence[str]) -> list[str]:
    """One holder, and it is the watchdog's leader."""
    if not holding:
        return ["no node holds the virtual IP"]
    if len(holding) > 1:
        return [f"more than one node holds the virtual IP: {' and '.join(holding)}"]
    if reached[holding[0]]["pgpool"]["watchdog_role"] != "LEADER":
        return [f"{holding[0]} holds the virtual IP but does not lead the watchdog cluster"]
    return []
