"""The agent's command line: `lab-node VERB …`. The last line on standard output is JSON.

Exit codes: 0 done; 1 a step failed; 2 wrong words; 3 the rules of join refuse.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import IO

USAGE = """usage: lab-node facts [--settled]
       lab-node join [--initialised] [--force-primary NODE]
       lab-node rejoin NODE [--force-primary NODE]
       lab-node switchover [NODE]
       lab-node start | serve
       lab-node local VERB [--primary NODE]
       lab-node watch      (a sample for every line on standard input)
       lab-node view       (what pgpool believes, for every line on standard input)
       lab-node isolation  (the service that stops a primary which is cut off or was replaced)
       lab-node witness    (the service with which a witness hands over the lead)
       lab-node failover …   (pgpool's failover_command)
       lab-node follow …     (pgpool's follow_primary_command)"""

LOOK_SECONDS = 1
"""Who looks whether a lock is held has it for a moment (locks.is_held)."""
UNASKED = ["--unasked"]
"""Options of a promotion that a failover waits for: the node is not asked what it is then."""
PROMOTION_SECONDS = 30
"""How long a promotion waits for another step; the failover script waits no longer than that for its end, either."""


def main(arguments: Sequence[str]) -> int:
    """Run one verb."""
    if arguments[:1] == ["failover"]:
        # Its modules only: every import delays the promotion.
        from .failover import main as failover

        return failover(arguments[1:])
    if arguments[:1] == ["follow"]:
        from .follow import main as follow

        return follow(arguments[1:])
    if arguments[:1] == ["watch"]:
        from .watch import main as watch

        return watch(arguments[1:])
    if arguments[:1] == ["view"]:
        from .view import main as view

        return view(arguments[1:])
    if arguments[:1] == ["isolation"]:
        from .isolation import main as isolation

        return isolation()
    if arguments[:1] == ["witness"]:
        from .witness import main as witness

        return witness()
    import json

    from .configuration import Refused, StepFailed

    try:
        result = dispatch(arguments)
    except Refused as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        return 3
    except (StepFailed, RuntimeError, OSError, ValueError) as failure:
        print(f"failed: {failure}", file=sys.stderr)
        return 1
    if result is None:
        print(USAGE, file=sys.stderr)
        return 2
    print(json.dumps(result))
    return 0


def dispatch(arguments: Sequence[str]) -> object | None:
    """What a verb gives; None when there is no such verb."""
    from .configuration import load, service_active

    config = load()
    if arguments[:1] == ["facts"] and set(arguments[1:]) <= {"--settled"}:
        from .answer import all_facts, settled_facts

        return (settled_facts if "--settled" in arguments else all_facts)(config)
    if arguments[:1] == ["local"]:
        return local(config, list(arguments[1:]))
    from . import cluster, reconfigure

    match list(arguments):
        case ["join", *options] if (forced := forced_primary(options)) is not None:
            initialised = "--initialised" in options
            # A first join that was broken off has left servers that run with the settings of then.
            before = initialised or service_active(config["postgresql"]["service"])
            taken = reconfigure.reconfigure(config) if before else []
            result = cluster.join(config, initialised=initialised, force_primary=forced or None)
            return result | {"actions": [*taken, *result["actions"]]}
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
        case ["serve"]:
            return cluster.serve(config)
    return None


def local(config: dict[str, object], words: list[str]) -> object | None:
    """A step on this node; None when there is no such step. Some are waited for: each imports what it takes only."""
    match words:
        case [("succeed" | "admit") as verb, *options]:
            return serve_again(config, verb, options)
        case [("pgpool-apply" | "pgpool-stop" | "release-vip") as verb]:
            return serve(config, verb)
        case [verb, *options]:
            return act(config, verb, options)
    return None


def serve(config: dict[str, object], verb: str) -> object:
    """One action on this node's pgpool."""
    from . import pgpool

    if verb == "release-vip":
        pgpool.release_vip()
        return {"node": config["name"]}
    return {"pgpool": pgpool.apply(config) if verb == "pgpool-apply" else pgpool.stop(config)}


def forced_primary(options: Sequence[str]) -> str | None:
    """The node that the options of `join` name as primary, empty without one; None when there are other words."""
    match [option for option in options if option != "--initialised"]:
        case []:
            return ""
        case ["--force-primary", node]:
            return node
    return None


def act(config: dict[str, object], verb: str, options: list[str]) -> object | None:
    """One action on this node's PostgreSQL; gives the facts after it, where somebody wants to know them.

    A pgpool in a failover answers nobody, and that waits for a promotion.
    """
    from . import actions, locks
    from .answer import all_facts
    from .configuration import StepFailed

    if [verb, *options] == ["stop"]:
        # Neither waits for another step nor asks anything afterwards: the clients are out.
        actions.stop(config)
        return {"node": config["name"], "stopped": True}
    with locks.CHANGE.open("w") as lock:
        if not locks.take_within(lock, LOOK_SECONDS) and not (verb == "promote" and wait_to_promote(lock)):
            raise StepFailed("another step changes this node's PostgreSQL; see join.log")
        match [verb, *options]:
            case ["reload"]:
                return actions.reload(config, None)
            case ["reload", "--primary", primary]:
                return actions.reload(config, primary)
        if not change(config, verb, options):
            return None
    return {"node": config["name"], "promoted": True} if options == UNASKED else all_facts(config)


def wait_to_promote(lock: IO[str]) -> bool:
    """Wait for another step's end, which comes at once where that only waits itself; whether the lock was taken.

    A pgpool before 3.3 runs failover_command on every node: of two promotions one waits, then finds it done.
    """
    from . import locks

    with locks.WANTED.open("w") as wanted:
        # Another promotion that waits says the same.
        locks.take_within(wanted, LOOK_SECONDS)
        return locks.take_within(lock, PROMOTION_SECONDS)


def serve_again(config: dict[str, object], verb: str, options: list[str]) -> object | None:
    """This node's way back to pgpool after a failover; None when there are other words."""
    from . import admission, succession

    match [verb, *options]:
        case ["succeed", *named] if (names := by_option(named, ("--old", "--through"))) is not None:
            succession.succeed(config, names.get("--old"), names.get("--through"))
        case ["admit", *named] if (names := by_option(named, ("--through",))) is not None:
            admission.admit(config, through=names.get("--through"))
        case _:
            return None
    return {"node": config["name"], "attached": True}


def by_option(words: list[str], known: tuple[str, ...]) -> dict[str, str] | None:
    """The word after each option; None when there are others."""
    pairs = dict(zip(words[::2], words[1::2], strict=False))
    return pairs if len(pairs) * 2 == len(words) and pairs.keys() <= set(known) else None


def change(config: dict[str, object], verb: str, options: list[str]) -> bool:
    """One step of the rules of join; False when there is no such step."""
    from . import actions

    match [verb, *options]:
        case ["initialise"]:
            actions.initialise(config)
        case ["start-primary"]:
            actions.start_primary(config)
        case ["start-standby"]:
            actions.start_standby(config)
        case ["promote"] | ["promote", "--unasked"]:
            actions.promote(config)
        case ["restart"]:
            actions.restart(config)
        case ["follow", "--primary", primary]:
            actions.follow(config, primary)
        case ["follow-or-clone", "--primary", primary]:
            actions.follow_or_clone(config, primary)
        case ["clone", "--primary", primary]:
            actions.clone(config, primary)
        case ["rewind", "--primary", primary]:
            actions.rewind(config, primary)
        case _:
            return False
    return True
