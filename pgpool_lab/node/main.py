"""The agent's command line: `lab-node VERB …`. The last line on standard output is JSON.

Exit codes: 0 done; 1 a step failed; 2 wrong words; 3 the rules of join refuse.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

USAGE = """usage: lab-node facts
       lab-node join [--initialised] [--force-primary NODE]
       lab-node rejoin NODE [--force-primary NODE]
       lab-node switchover [NODE]
       lab-node start | settle | pgpool-apply
       lab-node local VERB [--primary NODE] [--immediate]
       lab-node failover …   (pgpool's failover_command)"""


def main(arguments: Sequence[str]) -> int:
    """Run one verb."""
    if arguments[:1] == ["failover"]:
        # Its modules only: every import delays the promotion.
        from .failover import main as failover

        return failover(arguments[1:])
    import json

    from .cluster import Refused
    from .configuration import StepFailed

    try:
        result = dispatch(arguments)
    except Refused as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        return 3
    except (StepFailed, RuntimeError) as failure:
        print(f"failed: {failure}", file=sys.stderr)
        return 1
    if result is None:
        print(USAGE, file=sys.stderr)
        return 2
    print(json.dumps(result))
    return 0


def dispatch(arguments: Sequence[str]) -> object | None:
    """What a verb gives; None when there is no such verb."""
    from . import cluster, pgpool
    from .configuration import load

    config = load()
    match list(arguments):
        case ["facts"]:
            return all_facts(config)
        case ["join", *options] if set(options[:1]) <= {"--initialised"}:
            return cluster.join(config, initialised=bool(options))
        case ["rejoin", node]:
            return cluster.rejoin(config, node)
        case ["rejoin", node, "--force-primary", primary]:
            return cluster.rejoin(config, node, primary)
        case ["switchover"]:
            return cluster.switchover(config, None)
        case ["switchover", node]:
            return cluster.switchover(config, node)
        case ["start"]:
            return cluster.start(config)
        case ["settle"]:
            return cluster.settle(config)
        case ["pgpool-apply"] | ["local", "pgpool-apply"]:
            return {"pgpool": pgpool.apply(config)}
        case ["local", verb, *options]:
            return act(config, verb, options)
    return None


def act(config: dict[str, object], verb: str, options: list[str]) -> object | None:
    """One action on this node's PostgreSQL; gives the facts after it."""
    from . import actions

    match [verb, *options]:
        case ["initialise"]:
            actions.initialise(config)
        case ["start-primary"]:
            actions.start_primary(config)
        case ["promote"]:
            actions.promote(config)
        case ["follow", "--primary", primary]:
            actions.follow(config, primary)
        case ["clone", "--primary", primary]:
            actions.clone(config, primary)
        case ["rewind", "--primary", primary]:
            actions.rewind(config, primary)
        case ["stop"]:
            actions.stop(config)
        case ["stop", "--immediate"]:
            actions.stop(config, immediate=True)
        case _:
            return None
    return all_facts(config)


def all_facts(config: dict[str, object]) -> dict[str, object]:
    """Everything that this node says of itself."""
    from . import facts, pgpool

    return {
        "node": config["name"],
        "postgres": facts.postgres(config),
        "pgpool": pgpool.facts(config),
        "vip": pgpool.holds_vip(config),
    }
