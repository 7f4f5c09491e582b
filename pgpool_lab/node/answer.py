"""Everything that a node says of itself, to the rules of join and to the operator."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from . import facts, locks, pgpool
from .configuration import Config, is_witness

FORMATION_SECONDS = 90
"""The watchdog's own waits come to 15 s; several times that on starved nodes."""


def all_facts(config: Config) -> dict[str, Any]:
    """This node's PostgreSQL, pgpool, virtual IP, and what is under way: the rules of join, a step that changes it.

    A witness has neither PostgreSQL nor a part in the rules.
    """
    questions: dict[str, Callable[[], Any]] = {
        "pgpool": lambda: pgpool.facts(config),
        "vip": lambda: pgpool.holds_vip(config),
    }
    if is_witness(config):
        return {"node": config["name"], **side_by_side(questions)}
    found = side_by_side({"postgres": lambda: facts.postgres(config), **questions})
    held = {"joining": locks.is_held(locks.JOIN), "changing": locks.is_held(locks.CHANGE)}
    return {"node": config["name"], **found, **held}


def settled_facts(config: Config) -> dict[str, Any]:
    """The facts once this node's watchdog has its place, and the virtual IP with it when it leads; a witness's, when
    another one leads.

    Without a running pgpool, or after FORMATION_SECONDS, what there is then.
    """
    deadline = time.monotonic() + FORMATION_SECONDS
    while pgpool.is_running(config) and time.monotonic() < deadline:
        role = pgpool.watchdog_role(config)
        if role == "STANDBY" or (role == "LEADER" and pgpool.holds_vip(config)):
            break
        time.sleep(0.5)
    return all_facts(config)


def side_by_side(questions: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """The answers to questions that wait for other programs, asked at the same time. Raises what one of them raises."""
    answers: dict[str, Any] = {}
    failures: list[Exception] = []

    def ask(name: str, question: Callable[[], Any]) -> None:
        try:
            answers[name] = question()
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=ask, args=item) for item in questions.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return {name: answers[name] for name in questions}
