"""All pgpools believe the same, in the end it is true, and the network agrees about who holds the virtual IP."""

from __future__ import annotations

from itertools import combinations

from pgpool_lab.harness.invariants.model import Evidence, Finding
from pgpool_lab.harness.invariants.spans import Span, overlap, spans
from pgpool_lab.harness.samples import NodeSample, PgpoolSample

UP = frozenset({"up", "waiting"})
"""`waiting` is up, with no client yet."""


def none_stale(evidence: Evidence) -> list[Finding]:
    """No two pgpools that answer believe different things for longer than telling each other takes.

    Where one may be cut off, and from the first mending on, only what they believe in the end counts.
    """
    until = evidence.expected.told_until
    views = {
        name: spans([sample for sample in samples if sample.latest <= until], view)
        for name, samples in evidence.by_node.items()
    }
    return [
        Finding(
            f"the pgpools on {first} and {second} believed different things for at least {end - begin:.1f} s",
            begin,
            (believing(first, one), believing(second, other)),
        )
        for first, second in combinations(views, 2)
        for one in views[first]
        for other in views[second]
        if view(one.samples[0]) != view(other.samples[0])
        for begin, end in [overlap(one, other) or (0.0, 0.0)]
        if end - begin > evidence.expected.told_seconds
    ]


def view(sample: NodeSample) -> frozenset[str] | None:
    """What a node's pgpool believes; None when it doesn't say."""
    return belief(sample.pgpool) or None if sample.pgpool is not None else None


def believing(name: str, span: Span) -> str:
    return f"pgpool on {name}: {', '.join(sorted(view(span.samples[0]) or ()))}"


def pgpools_agree(evidence: Evidence) -> list[Finding]:
    """Every pgpool runs, and says the same of every backend as the others and as PostgreSQL; one leads."""
    last = evidence.last()
    running = {name: sample.pgpool for name, sample in last.items() if sample.pgpool and sample.pgpool.running}
    found = [Finding(f"{name} can't be reached") for name, sample in last.items() if not sample.reachable]
    found += [
        Finding(f"pgpool on {name} doesn't run")
        for name, sample in last.items()
        if sample.reachable and name not in running
    ]
    if not running:
        return [*found, Finding("no pgpool runs")]
    found += [
        Finding(f"pgpool on {name} doesn't say what it believes") for name, seen in running.items() if not seen.backends
    ]
    said = {name: belief(seen) for name, seen in running.items() if seen.backends}
    servers = {name: sample.postgres for name, sample in last.items() if sample.postgres}
    primaries = {name for name, server in servers.items() if server.is_primary}
    serving = primaries | {name for name, server in servers.items() if server.streaming_from in primaries}
    words = tuple(f"pgpool on {name}: {', '.join(sorted(believed))}" for name, believed in said.items())
    if len(set(said.values())) > 1:
        found.append(Finding("the pgpools believe different things", evidence=words))
    for name, seen in running.items():
        believed = {backend.name for backend in seen.backends if backend.status in UP and backend.role == "primary"}
        if seen.backends and believed != primaries:
            found.append(
                Finding(
                    f"pgpool on {name} believes that {names(believed)} is primary; PostgreSQL says {names(primaries)}",
                    evidence=words,
                )
            )
        if unused := {backend.name for backend in seen.backends if backend.status not in UP} & serving:
            found.append(Finding(f"pgpool on {name} doesn't use {names(unused)}, which serves", evidence=words))
    return found + one_leader(running)


def one_leader(running: dict[str, PgpoolSample]) -> list[Finding]:
    """One of the watchdog's members leads, all others stand by."""
    roles = {name: seen.watchdog_role or "unknown" for name, seen in running.items()}
    if sorted(roles.values()) == ["LEADER"] + ["STANDBY"] * (len(roles) - 1):
        return []
    words = tuple(f"watchdog on {name}: {role}" for name, role in roles.items())
    return [Finding("the watchdog has not one leader whom all others follow", evidence=words)]


def belief(seen: PgpoolSample) -> frozenset[str]:
    """What one pgpool believes; the role of a backend that is down means nothing."""
    return frozenset(
        f"{backend.name} {backend.role}" if backend.status in UP else f"{backend.name} {backend.status}"
        for backend in seen.backends
    )


def holder_answers(evidence: Evidence) -> list[Finding]:
    """One node has the virtual IP, and outside the nodes its MAC address answers for it."""
    holders = [name for name, sample in evidence.last().items() if holds(sample)]
    answer = evidence.last_answer()
    if len(holders) != 1:
        return [Finding(f"{names(set(holders))} holds the virtual IP in the end, not one node")]
    if answer is None or answer.mac is None:
        return [Finding(f"nobody answers for the virtual IP, which {holders[0]} holds")]
    owner = next((name for name, mac in evidence.expected.macs.items() if mac == answer.mac), None)
    if owner != holders[0]:
        return [Finding(f"{owner or answer.mac} answers for the virtual IP, which {holders[0]} holds", answer.latest)]
    return []


def holds(sample: NodeSample) -> bool:
    return bool(sample.holds_vip)


def names(nodes: set[str]) -> str:
    return " and ".join(sorted(nodes)) or "nobody"
