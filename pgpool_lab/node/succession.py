"""A standby whose primary was replaced: whom it follows now, by what means, and when pgpool may use it again."""

from __future__ import annotations

import time
from typing import NamedTuple

from . import actions, admission, facts, locks
from .configuration import Config, GaveWay, StepFailed, log, node
from .identity import identity
from .join import Answer, answer_of, relation
from .role import followed
from .standing import Answer as Standing
from .standing import Question

FIND_SECONDS = 60
"""How long a new primary is looked for: busy nodes may not answer at once, and a second failover makes another one."""


class Step(NamedTuple):
    """What to do with this node's PostgreSQL before it is attached, and why."""

    verb: str | None
    """`follow-or-clone`, `rewind`, or `attach`: nothing but that. None: it is left alone."""
    reason: str


def newest_primary(answers: list[Standing]) -> str | None:
    """Who is primary on the newest timeline; None when nobody is, or two are on the same one."""
    primaries = sorted((answer for answer in answers if not answer.in_recovery), key=lambda answer: answer.timeline)
    if not primaries or (len(primaries) > 1 and primaries[-2].timeline == primaries[-1].timeline):
        return None
    return primaries[-1].name


def decide(own: Answer, follows: str | None, old_primary: str | None, primary: Answer) -> Step:
    """The failover script's rule 5 for one node. `follows`: whom it is set up to follow.

    A standby that received no more than the point where the new timeline begins only changes whom it follows, with a
    base backup when the WAL that it needs is gone; one that received more is rewound.
    """
    if own.name == primary.name:
        return Step("attach", "it is the new primary")
    if not own.running or own.in_recovery is None:
        return Step(None, "its PostgreSQL does not run or does not answer")
    if not own.in_recovery:
        return Step(None, "it is no standby")
    if own.system_identifier != primary.system_identifier:
        return Step(None, "it holds data of another cluster")
    if own.streaming_from == primary.name:
        return Step("attach", f"it streams from {primary.name} already")
    if follows is None or follows not in (old_primary, primary.name):
        return Step(None, f"it follows {follows or 'nobody'}, not the old primary {old_primary or '(unknown)'}")
    related = relation(own, primary)
    if related == "follows":
        return Step("follow-or-clone", "it has nothing that the new primary has not")
    return Step("rewind", related)


def succeed(config: Config, old_primary: str | None, through: str | None = None) -> None:
    """Follow whoever is primary now, then have pgpool use this node again. Repeating it changes nothing.

    `through` is the node whose pgpool has to; None: the one that leads, which tells the others.

    Raises StepFailed where the node is left alone, too: then pgpool goes on holding it for down.
    """
    while not (primary := following(config, old_primary)):
        log("it is asked again after the promotion")
    admission.admit(config, primary, through)


def following(config: Config, old_primary: str | None) -> str | None:
    """Whom this node follows in the end, or is; None when a promotion of this node came between.

    Raises StepFailed where it is left alone.
    """
    locks.let_promotion_pass()
    # Waits for a run that is at work already, and then finds its work done.
    with locks.CHANGE.open("w") as lock:
        locks.take(lock)
        try:
            own, primary = standings(config, old_primary)
            step = decide(own, followed(config), old_primary, primary)
            log(
                f"{primary.name} comes after {old_primary or 'nobody known'}: "
                f"{step.verb or 'left alone'}, {step.reason}"
            )
            match step.verb:
                case "follow-or-clone":
                    actions.follow_or_clone(config, primary.name)
                case "rewind":
                    actions.rewind(config, primary.name)
                case None:
                    raise StepFailed(f"{step.reason}; ./lab rejoin {config['name']} brings it back")
        except GaveWay as reason:
            log(f"{reason}")
            return None
    return primary.name


def standings(config: Config, old_primary: str | None) -> tuple[Answer, Answer]:
    """Where this node and the new primary stand; asked again for FIND_SECONDS, since pgpool calls only once."""
    others = [entry for entry in config["nodes"] if entry["name"] not in (config["name"], old_primary)]
    deadline = time.monotonic() + FIND_SECONDS
    while True:
        own = answer_of(config["name"], {"postgres": facts.postgres(config)})
        try:
            return own, found_primary(config, own, others)
        except StepFailed as failure:
            if locks.is_held(locks.WANTED):
                raise GaveWay("this node is to be promoted: no other primary is looked for") from None
            if time.monotonic() > deadline:
                raise
            log(f"{failure}; asking again")
            time.sleep(1)


def found_primary(config: Config, own: Answer, others: list[Config]) -> Answer:
    """The new primary, with where its timelines began; `own` where that is this node. Raises StepFailed without one."""
    question = Question(config, others)
    answers = question.answers()
    if own.running and own.in_recovery is False:
        answers = [*answers, Standing(own.name, in_recovery=False, timeline=own.timeline, received=own.lsn)]
    name = newest_primary(answers)
    if name is None:
        raise StepFailed(f"no one node is primary; {'; '.join(question.silent) or 'all answered'}")
    if name == own.name:
        return own
    timeline = next(answer.timeline for answer in answers if answer.name == name)
    return identity(config, node(config, name), timeline)
