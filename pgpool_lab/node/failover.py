"""pgpool's failover_command: decides whether to promote and whom, and does it. Runs as the service account.

Whom pgpool expects (its new main node, the lowest id that is up) does not matter: after this script it asks every
backend that it does not hold for down and takes the one that is not in recovery (pgpool_main.c, failover() calls
find_primary_node_repeatedly(), which asks by verify_backend_node_status()). One that it holds for down is not asked,
and has to be attached.

Start-up time counts here, on emulated processors: the standard library's heavy parts are not imported.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import advisory, checker, dialect, overtaken, silence
from .connections import drop_connections, drop_everywhere
from .follow import succeeding
from .script import CONFIGURATION, FENCE, end_postgresql, log, on_node, over_ssh, start, start_on_node, through
from .standing import PROBE_SECONDS, Answer, Failed, Question, psql

FENCE_SECONDS = 5
"""How long the attempt to stop the old primary may take: it delays the promotion. The fence itself waits for up to
three seconds where that is being stopped already, after a login."""
SILENT_SECONDS = 0.3
"""How long a host that answers no echo either may take to take a connection: a busy kernel's time, without a second
SYN."""
LATE_LOGIN_SECONDS = 10
"""How long a host that was not fenced in time may take to be reached after the promotion. One that is away for longer
is told what happened (replacement.py)."""
NOBODY = "nothing listens there"
"""What is said of an old primary that has ended by itself."""
UNREACHABLE = "it cannot be reached"
"""How what is said of a host that takes no connection begins."""
UNDER_WAY = "a clean stop is under way"
"""What the fence says when the agent is stopping that PostgreSQL."""
STOPPED = "stopped"
"""What the fence says when it has ended a PostgreSQL that was there."""
PLANNED_SECONDS = 60
"""How long the clean stop of a switchover may take; systemd ends it then (TimeoutStopSec)."""
PROMOTION_SECONDS = 30
"""How long a promotion may take; it normally takes one."""


class Decision(NamedTuple):
    """Whom to promote, or why nobody."""

    promote: str | None
    reason: str
    complete: bool = True
    """Whether a primary is there once this was obeyed."""


def decide(failed_id: int, old_primary_id: int, answers: Sequence[Answer]) -> Decision:
    """The failover script's rules 1 and 4. `answers` holds the nodes that answered, the failed one left out.

    A primary on an older timeline than a standby's is one that was given up and came back: it does not count. Among
    equally advanced standbys the preferred one is promoted, else the first in the order of answers.
    """
    if old_primary_id < 0:
        return Decision(None, "pgpool knows no primary: nothing is promoted", complete=False)
    if failed_id != old_primary_id:
        return Decision(None, "a standby failed: the primary stays")
    standbys = [answer for answer in answers if answer.in_recovery]
    newest = max((standby.timeline for standby in standbys), default=0)
    serving = [answer.name for answer in answers if not answer.in_recovery and answer.timeline >= newest]
    if serving:
        return Decision(None, f"{serving[0]} is primary already")
    if not standbys:
        return Decision(None, "no standby can be reached", complete=False)
    best = max(standbys, key=lambda answer: (answer.timeline, answer.received, answer.preferred))
    return Decision(best.name, f"most advanced standby: timeline {best.timeline}, {best.received} bytes received")


def fence(config: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """Try to stop PostgreSQL on the old primary; says what came of it.

    Nothing starts PostgreSQL by itself, so a stopped one stays stopped. One that hangs still has its kernel take
    connections; a host that does not is not waited for, and one that has been silent for long hardly asked.
    """
    port = config["postgresql"]["port"]
    seconds = SILENT_SECONDS if silence.is_silent(node["ip"]) else PROBE_SECONDS
    try:
        socket.create_connection((node["ip"], port), timeout=seconds).close()
    except ConnectionRefusedError:
        return NOBODY
    except ConnectionAbortedError:
        # It was dropped with the others, by the isolation service or for an earlier failure: it may be there.
        pass
    except OSError as failure:
        return f"{UNREACHABLE} ({failure})"
    return end_postgresql(node, FENCE_SECONDS, here=node["name"] == config["name"]) or STOPPED


def asks_again(fenced: str, asked: int, answered: int, replication: str) -> bool:
    """Whether the first answers, given beside the fence, may name the wrong one of several standbys.

    A primary that was there may have written until the fence ended it, or has since ended. And where a commit waits for
    any of them, the one that was not heard may be the only one that has a row.
    """
    was_there = fenced != NOBODY and not fenced.startswith(UNREACHABLE)
    return asked > 1 and (was_there or (answered < asked and replication == "sync"))


def wait_for_end(config: Mapping[str, Any], node: Mapping[str, Any]) -> None:
    """Wait until nothing listens on a primary that is stopped cleanly: by then the standbys have all of its WAL.

    pgpool calls at the beginning of the stop, when the clients are sent away.
    """
    deadline = time.monotonic() + PLANNED_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection((node["ip"], config["postgresql"]["port"]), timeout=PROBE_SECONDS).close()
        except ConnectionRefusedError:
            return
        except OSError:
            pass  # A busy kernel is no sign of an end.
        time.sleep(0.2)


def promote(config: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Promote a standby and wait until it takes writes.

    Of several scripts the first takes the lock on the target, and the others then find it promoted. Without a function
    for it (before PostgreSQL 12) it is the agent's step there, which takes a lock as well.
    """
    if not dialect.of(config)["promotes_by_sql"]:
        failure = on_node(node, "promote --unasked", PROMOTION_SECONDS + 5)
        if failure:
            log(f"{node['name']}: {failure}")
        return not failure
    try:
        return psql(config, node["ip"], PROMOTE, PROMOTION_SECONDS + 5) == "t"
    except Failed as failure:
        log(f"{node['name']}: {failure}")
        return False


PROMOTE = f"""
SELECT CASE WHEN pg_is_in_recovery() THEN pg_promote(true, {PROMOTION_SECONDS}) ELSE true END
WHERE pg_advisory_lock({advisory.PROMOTION})::text = ''
"""
"""The condition is looked at first: the lock is there before the question."""


def main(arguments: Sequence[str]) -> int:
    """Arguments: failed id, failed host, old primary id, new main id, new main host.

    Exit code 0: done, or nothing to do; 1: a primary is missing and could not be made.
    """
    with open(CONFIGURATION) as stream:  # noqa: PTH123 -- pathlib costs start-up time
        config = json.load(stream)
    log(f"called: {' '.join(arguments)}")
    failed_id, old_primary_id, expected_id = int(arguments[0]), int(arguments[2]), int(arguments[3])
    failed = config["nodes"][failed_id]
    if overtaken.lately(config["vip"]):
        log("another pgpool has just taken over from this one: nothing is done")
        return 0
    if failed_id != old_primary_id:
        decision = decide(failed_id, old_primary_id, [])
        log(decision.reason)
        # The follow command, which has all nodes do so, is called for a primary only.
        drop_everywhere(config, failed)
        return 0 if decision.complete else 1
    others = [node for node in config["nodes"] if node is not failed]
    question = Question(config, others)
    fenced = fence(config, failed)
    log(f"fencing {failed['name']}: {fenced}")
    # ssh may say more than the fence does.
    planned = UNDER_WAY in fenced or any(answer.preferred for answer in question.answers())
    if planned:
        log(f"a planned stop: waiting until {failed['name']} has ended")
        wait_for_end(config, failed)
    # Beside the promotion, since clients wait; not beside the fence, whose own question it would end, nor before a
    # clean stop has ended: a standby that is here still receives what that sends.
    dropping = threading.Thread(target=drop_connections, args=(failed["ip"], config["postgresql"]["port"]))
    dropping.start()
    try:
        return promote_another(config, failed, expected_id, fenced, question, planned=planned)
    finally:
        # pgpool looks for the new primary as soon as this ends.
        dropping.join()
        checker.wake()


def promote_another(
    config: Mapping[str, Any],
    failed: Mapping[str, Any],
    expected_id: int,
    fenced: str,
    question: Question,
    *,
    planned: bool,
) -> int:
    """Promote whoever is to follow a primary that failed, or has been stopped for a switchover (`planned`).

    Gives the script's exit code.
    """
    others = [node for node in config["nodes"] if node is not failed]
    if planned or asks_again(fenced, len(others), len(question.answers()), config["postgresql"]["replication"]):
        log("asking where the standbys stand now")
        question = Question(config, others)
    order = [node["name"] for node in others]
    answers = sorted(question.answers(), key=lambda answer: order.index(answer.name))
    decision = decide(failed["backend_id"], failed["backend_id"], answers)
    for reason in question.silent:
        log(reason)
    if decision.promote is None:
        log(decision.reason)
        return 0 if decision.complete else 1
    log(f"promoting {decision.promote}: {decision.reason}")
    target = next(node for node in others if node["name"] == decision.promote)
    done = promote(config, target)
    log(f"{decision.promote} {'is primary' if done else 'was not promoted'}")
    if not planned and fenced not in (NOBODY, STOPPED):
        # It may have been busy, or away, for a moment: it must not go on beside the new one, of which it may only not
        # have been seen in time that it is primary.
        start(over_ssh(failed, FENCE, LATE_LOGIN_SECONDS))
    if done and config["postgresql"]["replication"] == "sync":
        # No commit returns before a standby has it, and pgpool's own command comes later, among all that clients do.
        for node in others:
            if node is not target:
                start_on_node(node, succeeding(failed["name"], through(config)))
    if done and target["backend_id"] != expected_id:
        # pgpool may hold it for down, as it does with one that has just been re-pointed.
        start_on_node(target, f"admit{through(config)}")
    return 0 if done else 1
