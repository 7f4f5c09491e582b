"""Rules of join: who is primary, and what every other node does. Pure; decided from what the nodes answer now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

FORMER_PRIMARY = ("in production", "shut down", "shutting down", "in crash recovery", "starting up")
"""States in pg_control of a node that was no standby when it ended (src/bin/pg_controldata/pg_controldata.c)."""

CLEANLY_SHUT_DOWN = "shut down"


class Answer(NamedTuple):
    """What one node says of its PostgreSQL, or that it says nothing."""

    name: str
    reachable: bool = True
    data: str = "none"
    """`none`, `partial` (a data directory that cannot be started), `present`."""
    running: bool = False
    in_recovery: bool | None = None
    """None: it is stopped, or runs and does not answer."""
    timeline: int = 0
    lsn: int = 0
    """End of its WAL, in bytes since 0/0: written (primary), received (standby), or known to pg_control (stopped)."""
    system_identifier: str | None = None
    control_state: str | None = None
    standby_signal: bool = False
    """It is set up as a standby, whatever pg_control (which a base backup copies from its source) says."""
    streaming_from: str | None = None
    history: tuple[tuple[int, int], ...] = ()
    """Where its timelines ended: (timeline, position of the switch)."""


class Action(NamedTuple):
    """One step on one node."""

    verb: str
    """`initialise`, `start-primary`, `start-standby`, `promote`, `follow`, `follow-or-clone`, `clone`, `rewind`."""
    node: str
    primary: str


class Plan(NamedTuple):
    """The steps to take, in order; when they are done, the nodes are asked again."""

    primary: str
    actions: tuple[Action, ...]


class Wait(NamedTuple):
    """A node whose answer is needed has not given one."""

    node: str
    reason: str
    remedy: str


class Refusal(NamedTuple):
    """Nothing is touched: what is wrong, and what the operator can do."""

    reason: str
    remedy: str


def decide(
    answers: Sequence[Answer],
    *,
    first: str,
    initialised: bool,
    force_primary: str | None = None,
    rejoin: str | None = None,
    gives_up: bool = True,
) -> Plan | Wait | Refusal:
    """Apply the rules of join.

    `first` is the node that initialises a new cluster; `initialised` says that there was a cluster before, so that
    empty nodes mean a loss; `rejoin` names the one node that is brought back, whose diverged data may be rewound or
    replaced unless it `gives_up` nothing.
    """
    identifiers = {answer.system_identifier: answer.name for answer in answers if answer.data == "present"}
    if len(identifiers) > 1:
        named = ", ".join(f"{name}: {identifier}" for identifier, name in identifiers.items())
        return Refusal(
            f"the nodes hold data of different clusters ({named})",
            "move the data directory that does not belong here away, then repeat",
        )
    primaries = [answer for answer in answers if answer.running and answer.in_recovery is False]
    if len(primaries) > 1:
        names = " and ".join(answer.name for answer in primaries)
        return Refusal(
            f"{names} both say that they are primary; nothing was touched",
            "where rows are to be given up: ./lab ssh NODE -- systemctl stop lab-postgresql; then ./lab rejoin NODE",
        )
    if primaries:
        if force_primary not in (None, primaries[0].name):
            return Refusal(
                f"{force_primary} cannot be made primary: {primaries[0].name} is",
                "use ./lab switchover, or stop PostgreSQL there first",
            )
        return follow_all(answers, primaries[0], rejoin, gives_up=gives_up)
    return find_primary(answers, first=first, initialised=initialised, force_primary=force_primary, rejoin=rejoin)


def follow_all(
    answers: Sequence[Answer], primary: Answer, rejoin: str | None, *, gives_up: bool
) -> Plan | Wait | Refusal:
    """Rule 1: everyone else becomes the primary's streaming standby.

    What can be done is done first: a node that is silent or diverged doesn't keep the others from following.
    """
    actions = []
    obstacles: list[Wait | Refusal] = []
    for answer in answers:
        if answer is primary or rejoin not in (None, answer.name):
            continue
        step = return_of(answer, primary, explicit=gives_up and rejoin == answer.name)
        if isinstance(step, Action):
            actions.append(step)
        elif step is not None:
            obstacles.append(step)
    if actions or not obstacles:
        return Plan(primary.name, tuple(actions))
    return next((obstacle for obstacle in obstacles if isinstance(obstacle, Refusal)), obstacles[0])


def return_of(answer: Answer, primary: Answer, *, explicit: bool) -> Action | Wait | Refusal | None:
    """What one node needs to become the primary's standby; None: it is one.

    `explicit`: the operator asked for this node, so that what only it has may be given up.
    """
    if silent := unanswered(answer):
        return silent
    if answer.running and answer.streaming_from == primary.name:
        return None
    if answer.data != "present":
        return Action("clone", answer.name, primary.name)
    related = relation(answer, primary)
    if related == "follows":
        return Action("follow-or-clone" if explicit else "follow", answer.name, primary.name)
    if explicit:
        return Action("rewind", answer.name, primary.name)
    return Refusal(
        f"{answer.name} may hold rows that the primary {primary.name} does not have ({related})",
        f"./lab rejoin {answer.name} gives them up",
    )


def unanswered(answer: Answer) -> Wait | None:
    """What to wait for when a node has not said what it is: unreachable is not empty."""
    if not answer.reachable:
        return Wait(answer.name, "it cannot be reached, and unreachable is not empty", "bring it back, then repeat")
    if answer.running and answer.in_recovery is None:
        return Wait(
            answer.name,
            "its PostgreSQL runs and does not answer",
            f"see postgresql.log on it; ./lab ssh {answer.name} -- systemctl stop lab-postgresql stops it",
        )
    return None


def find_primary(
    answers: Sequence[Answer], *, first: str, initialised: bool, force_primary: str | None, rejoin: str | None
) -> Plan | Wait | Refusal:
    """Rule 3: nobody is primary, so all must answer before one is chosen. Its standbys are started with it.

    Of several standbys none is chosen before all of them run: what is known of a stopped one is less than it has.
    """
    by_name = {answer.name: answer for answer in answers}
    with_data = [answer for answer in answers if answer.reachable and answer.data == "present"]
    if force_primary is not None:
        chosen = by_name.get(force_primary)
        if chosen is None or unanswered(chosen):
            return Refusal(f"{force_primary} cannot be made primary: it does not answer", "name a node that does")
        if chosen.data != "present" and with_data:
            names = ", ".join(answer.name for answer in with_data)
            return Refusal(f"{force_primary} has no data, but {names} has", "name a node that has data")
        return Plan(chosen.name, (Action(start_verb(chosen), chosen.name, chosen.name),))
    for answer in answers:
        if silent := unanswered(answer):
            without = "./lab rejoin NODE --force-primary NODE, with a node that answers"
            remedy = f"{silent.remedy}; or go on without it: {without}"
            return silent._replace(remedy=remedy)
    if not with_data:
        if initialised:
            return Refusal(
                "no node has data, although this lab's cluster was initialised before",
                f"./lab rejoin {first} --force-primary {first} starts an empty one",
            )
        return Plan(first, (Action("initialise", first, first),))
    best = max(with_data, key=lambda answer: (answer.timeline, was_primary(answer), answer.lsn))
    if stopped := unknown_rivals(best, with_data):
        return Plan(best.name, tuple(Action("start-standby", answer.name, answer.name) for answer in stopped))
    others = [answer for answer in answers if answer is not best and rejoin in (None, answer.name)]
    start = Action(start_verb(best), best.name, best.name)
    verb = "follow" if rejoin is None else "follow-or-clone"
    follows = [Action(verb, other.name, best.name) for other in others if at_once(other, best)]
    return Plan(best.name, (start, *follows))


def unknown_rivals(best: Answer, with_data: Sequence[Answer]) -> list[Answer]:
    """The stopped ones among several standbys of which any may have the most WAL.

    pg_control knows how much a standby must have replayed to be consistent, not how much it has received (manual,
    "pg_controldata"; xlog.c, UpdateMinRecoveryPoint).
    """
    rivals = [answer for answer in with_data if answer.timeline == best.timeline]
    if len(rivals) == 1 or start_verb(best) != "promote":
        return []
    return [answer for answer in rivals if not answer.running]


def at_once(answer: Answer, best: Answer) -> bool:
    """Whether a stopped standby can be started together with its primary: whatever that does, it only adds WAL."""
    if start_verb(best) != "start-primary" or answer.data != "present" or answer.running or was_primary(answer):
        return False
    return relation(answer, best) == "follows"


def start_verb(answer: Answer) -> str:
    """How a node becomes primary from what it is."""
    if answer.data != "present":
        return "initialise"
    return "start-primary" if was_primary(answer) and not answer.running else "promote"


def was_primary(answer: Answer) -> bool:
    """Whether its data were a primary's when they were used last."""
    return answer.control_state in FORMER_PRIMARY and not answer.standby_signal


def relation(answer: Answer, primary: Answer) -> str:
    """How a node's data stands to the primary's: `follows`, or why it may not.

    A former primary that was shut down cleanly had all its WAL sent before it ended, so when its last checkpoint lies
    before the fork it has nothing of its own. One that crashed may hold WAL that pg_control does not know of.
    """
    if answer.timeline > primary.timeline:
        return "its timeline is newer"
    ended = dict(primary.history)
    if any(ended.get(timeline, position) != position for timeline, position in answer.history):
        return "its timeline has the same number, but began elsewhere"
    if answer.timeline == primary.timeline:
        if was_primary(answer) and not answer.running:
            return "it was primary on the same timeline"
        return "follows" if answer.lsn <= primary.lsn else "its WAL goes further"
    fork = fork_position(answer.timeline, primary.history)
    if fork is None:
        return "the primary's history does not have its timeline"
    if was_primary(answer) and not answer.running and answer.control_state != CLEANLY_SHUT_DOWN:
        return "it ended as primary without a shutdown"
    # A checkpoint is known by where it begins: a former primary's last one lies beyond, when it begins there.
    last = fork - 1 if was_primary(answer) and not answer.running else fork
    return "follows" if answer.lsn <= last else "its WAL goes beyond the fork"


def fork_position(timeline: int, history: Sequence[tuple[int, int]]) -> int | None:
    """Where a history leaves a timeline."""
    return next((position for ended, position in history if ended == timeline), None)


def parse_lsn(text: str) -> int:
    """A log sequence number as bytes since 0/0 (PostgreSQL manual, "pg_lsn Type")."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def answer_of(name: str, facts: Mapping[str, Any] | None) -> Answer:
    """An answer from the facts that a node sent; None: it did not answer."""
    if facts is None:
        return Answer(name, reachable=False)
    postgres = facts["postgres"]
    return Answer(
        name=name,
        data=postgres["data"],
        running=postgres["running"],
        in_recovery=postgres["in_recovery"],
        timeline=postgres["timeline"] or 0,
        lsn=parse_lsn(postgres["lsn"]) if postgres["lsn"] else 0,
        system_identifier=postgres["system_identifier"],
        control_state=postgres["control_state"],
        standby_signal=postgres.get("standby_signal", False),
        streaming_from=postgres["streaming_from"],
        history=tuple((timeline, parse_lsn(position)) for timeline, position in postgres["history"]),
    )
