"""What must and must not follow: named, over samples only, so that waiting costs the nodes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pgpool_lab.errors import LabError
from pgpool_lab.harness.measures import PAUSE_SECONDS
from pgpool_lab.harness.samples import NodeSample
from pgpool_lab.harness.scenarios.roles import Roles


@dataclass(frozen=True)
class Evidence:
    """What is known at one moment. `before` are the roles before the last step that did something."""

    before: Roles
    now: Roles
    targets: tuple[str, ...]
    """The nodes that were struck by then."""
    latest: Mapping[str, NodeSample]
    """The newest sample of each node that answers."""
    since: Sequence[NodeSample]
    """All samples that were asked for after that step."""
    answerer: str | None
    """Name of the node whose MAC address answers for the virtual IP; None for nobody's."""
    write_age: float | None
    """Seconds since a write through the virtual IP was acknowledged that was sent after that step; None before the
    first."""
    out: tuple[str, ...] = ()
    """The clients that have not succeeded with anything that they began after that step."""
    readers: Sequence[str] = ()
    """The clients that only read."""


@dataclass(frozen=True)
class Expectation:
    """`unmet` says why it does not hold, as a sentence; empty when it does."""

    name: str
    sentence: str
    unmet: Callable[[Evidence], str]


def vip_moves(seen: Evidence) -> str:
    if len(seen.now.holders) != 1:
        return f"held by {listed(seen.now.holders)}"
    if seen.now.holders == seen.before.holders:
        return f"still on {seen.now.holders[0]}"
    return answered_elsewhere(seen)


def vip_stays(seen: Evidence) -> str:
    others = {one.node for one in seen.since if one.holds_vip and one.node not in seen.before.holders}
    if others:
        return f"it was on {listed(sorted(others))}"
    if seen.now.holders != seen.before.holders:
        return f"held by {listed(seen.now.holders)}"
    return answered_elsewhere(seen)


def answered_elsewhere(seen: Evidence) -> str:
    """The network must reach the one holder by it."""
    if seen.answerer not in seen.now.holders:
        return f"{seen.answerer or 'nobody'} answers for it, {listed(seen.now.holders)} holds it"
    return ""


def primary_changes(seen: Evidence) -> str:
    if len(seen.now.primaries) != 1:
        return f"primary: {listed(seen.now.primaries)}, before: {listed(seen.before.primaries)}"
    if seen.now.primaries == seen.before.primaries:
        return f"still {seen.now.primaries[0]}"
    return ""


def primary_stays(seen: Evidence) -> str:
    others = {
        one.node
        for one in seen.since
        if one.postgres is not None and one.postgres.is_primary and one.node not in seen.before.primaries
    }
    if others:
        return f"{listed(sorted(others))} was primary"
    if seen.now.primaries != seen.before.primaries:
        return f"primary: {listed(seen.now.primaries)}"
    return ""


def one_of_each(seen: Evidence) -> str:
    if len(seen.now.primaries) != 1 or len(seen.now.holders) != 1:
        return f"primary: {listed(seen.now.primaries)}, holder: {listed(seen.now.holders)}"
    return answered_elsewhere(seen)


def target_no_primary(seen: Evidence) -> str:
    again = {
        one.node
        for one in seen.since
        if one.postgres is not None and one.postgres.is_primary and one.node in seen.targets
    }
    return f"{listed(sorted(again))} was primary again" if again else ""


def target_answers(seen: Evidence) -> str:
    return silent_among(seen.targets, seen)


def all_answer(seen: Evidence) -> str:
    return silent_among(seen.now.nodes, seen)


def silent_among(names: Sequence[str], seen: Evidence) -> str:
    silent = [name for name in names if name not in seen.latest]
    return f"{listed(silent)} does not answer" if silent else ""


def standbys(seen: Evidence) -> list[str]:
    """Who is a standby, and who was one and is neither struck nor promoted: one that follows by a restart is away."""
    remain = set(seen.before.standbys) - set(seen.now.primaries) - set(seen.targets)
    return [name for name in seen.now.nodes if name in seen.now.standbys or name in remain]


def standbys_follow(seen: Evidence) -> str:
    if len(seen.now.primaries) != 1:
        return f"primary: {listed(seen.now.primaries)}"
    astray = [
        name
        for name in standbys(seen)
        if name not in seen.latest
        or (postgres := seen.latest[name].postgres) is None
        or postgres.streaming_from != seen.now.primaries[0]
    ]
    return f"{listed(astray)} does not stream from {seen.now.primaries[0]}" if astray else ""


def target_believed_down(seen: Evidence) -> str:
    """Every pgpool that answers holds the struck backends for down, and the primary for primary."""
    views = {name: one.pgpool.backends for name, one in seen.latest.items() if one.pgpool and one.pgpool.backends}
    if not views:
        return "no pgpool answers"
    for name, backends in views.items():
        for backend in backends:
            if backend.name in seen.targets and backend.status != "down":
                return f"pgpool on {name} believes that {backend.name} is {backend.status}"
            if (backend.name in seen.now.primaries) != (backend.role == "primary"):
                return f"pgpool on {name} believes that {backend.name} is {backend.role}"
    return ""


def standbys_attached(seen: Evidence) -> str:
    """Every running pgpool holds the standbys for up; one that does not answer is still in its failover."""
    views = {name: one.pgpool.backends for name, one in seen.latest.items() if one.pgpool and one.pgpool.running}
    if not views:
        return "no pgpool runs"
    for name, backends in views.items():
        if not backends:
            return f"pgpool on {name} does not answer"
        for backend in backends:
            if backend.name in standbys(seen) and backend.status not in ("up", "waiting"):
                return f"pgpool on {name} believes that {backend.name} is {backend.status}"
    return ""


def writes_flow(seen: Evidence) -> str:
    if seen.write_age is None:
        return "no write was acknowledged"
    if seen.write_age > PAUSE_SECONDS:
        return f"no write was acknowledged for {seen.write_age:.0f} s"
    return ""


def clients_back(seen: Evidence) -> str:
    return f"{listed(seen.out)} did not get in again" if seen.out else ""


def readers_back(seen: Evidence) -> str:
    out = [name for name in seen.out if name in seen.readers]
    return f"{listed(out)} did not get in again" if out else ""


def listed(names: Sequence[str]) -> str:
    """Names for a sentence."""
    return " and ".join(names) or "nobody"


ALL = (
    Expectation("vip-moves", "the virtual IP is on another node, and the network reaches it there", vip_moves),
    Expectation("vip-stays", "the virtual IP is where it was and was never elsewhere", vip_stays),
    Expectation("primary-changes", "another node is the only primary", primary_changes),
    Expectation("primary-stays", "the primary is who it was and nobody else was primary", primary_stays),
    Expectation("one-of-each", "one node is primary and one node holds the virtual IP", one_of_each),
    Expectation("target-no-primary", "the struck nodes have not been primary since", target_no_primary),
    Expectation("target-answers", "the struck nodes answer", target_answers),
    Expectation("all-answer", "every node answers", all_answer),
    Expectation("standbys-follow", "every standby that was not struck streams from the primary", standbys_follow),
    Expectation(
        "standbys-attached", "every running pgpool holds every standby that was not struck for up", standbys_attached
    ),
    Expectation(
        "target-believed-down", "every pgpool that answers holds the struck backends for down", target_believed_down
    ),
    Expectation("writes-flow", "a client writes through the virtual IP", writes_flow),
    Expectation("clients-back", "every client writes or reads again", clients_back),
    Expectation("readers-back", "every client that only reads does so again", readers_back),
)

EXPECTATIONS: dict[str, Expectation] = {expectation.name: expectation for expectation in ALL}


def expectation_named(name: str) -> Expectation:
    """An expectation by its name. Raises LabError that names the ones there are."""
    if name not in EXPECTATIONS:
        raise LabError(f"there is no expectation {name!r}", f"choose one of {', '.join(EXPECTATIONS)}")
    return EXPECTATIONS[name]


def unmet(names: Sequence[str], seen: Evidence) -> dict[str, str]:
    """Which of the named expectations do not hold, and why."""
    reasons = {name: expectation_named(name).unmet(seen) for name in names}
    return {name: reason for name, reason in reasons.items() if reason}
