"""Acts on all nodes from one: the join, the wait until all agree, a planned change of the primary."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import IO, Any

from . import health, locks, pgpool
from .answer import FORMATION_SECONDS, all_facts, settled_facts
from .configuration import AGENT, Config, Refused, StepFailed, log, node, witnesses
from .isolation import cut_off
from .join import Plan, Refusal, Wait, answer_of, decide, parse_lsn
from .preference import preferred

ASK_SECONDS = 40
"""How long a node may take to say what it is: an ssh login and some queries on a starved emulated processor."""
WAIT_SECONDS = 120
"""How long a node that is needed may stay silent."""
SETTLE_SECONDS = 240
"""How long pgpool may take until all agree: watchdog formation is 15 s, emulated and starved a minute.

3.2 tries wd_interval * 10 apart whether it can check its peers: twice that is 200 s with the runbook's timings.
"""
PAUSE_SECONDS = 10.0
"""The longest that nobody is asked anything in."""
MISLED_SECONDS = 30
"""After so long a pgpool that believes something wrong will not find out: its search for the primary at a start, and a
view that is on its way, take seconds."""
MUTE_SECONDS = FORMATION_SECONDS
"""After so long a pgpool that answers nobody is taken for one that hangs (docs/procedure.md has a case)."""
FAILOVER_SECONDS = 30
"""How long a failover by pgpool is waited for while nobody is primary: with the preset `fast` none took longer, but for
that of a host that is gone, whose PostgreSQL nobody starts."""
CLOSE_BYTES = 2**20
"""What a target of a switchover may lack before the primary is stopped: it has to be sent within the minute that
systemd gives a stop (TimeoutStopSec)."""
CLOSE_SECONDS = 60
"""How long a target that lacks more is waited for."""
STEP_SECONDS = 900
APPLY = ["local", "pgpool-apply"]
STARTED = "pgpool runs on every node"
"""What `serve` says before it waits until all agree."""
WITNESS_SECONDS = 120
"""For a step on the witness: an ssh login, and a pgpool that is started or stopped."""
ROUNDS = 8
"""How often the rules may ask for something; a healthy join takes two or three rounds."""

Answers = dict[str, dict[str, Any] | None]


def on_node(config: Config, name: str, words: list[str], *, seconds: float) -> str:
    """Run the agent on a node, over ssh unless it is this one. Raises StepFailed."""
    command = [AGENT, *words]
    if name != config["name"]:
        account = config["ssh_account"]
        remote = shlex.join(command if account == "root" else ["sudo", "-n", *command])
        options = ["BatchMode=yes", "ConnectTimeout=10"]
        command = ["ssh", "-n", *[word for option in options for word in ("-o", option)], f"{account}@{name}", remote]
        if account != "root":
            command = ["runuser", "-u", "postgres", "--", *command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise StepFailed(f"{name} did not answer within {seconds:.0f} s") from None
    if done.returncode != 0:
        raise StepFailed(f"{name}: {' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def ask_all(config: Config, *, settled: bool = False) -> Answers:
    """Facts of every node: see `ask`."""
    return ask(config, [node["name"] for node in config["nodes"]], settled=settled)


def ask_members(config: Config, *, settled: bool = False) -> tuple[Answers, Answers]:
    """Facts of every node, and of the witness where there is one, asked at the same time: see `ask`."""
    names = [[entry["name"] for entry in entries] for entries in (config["nodes"], witnesses(config))]
    said = ask(config, [*names[0], *names[1]], settled=settled)
    return {name: said[name] for name in names[0]}, {name: said[name] for name in names[1]}


def ask(config: Config, names: Sequence[str], *, settled: bool = False) -> Answers:
    """Facts of these machines, asked at the same time; None for one that does not answer.

    `settled` lets each node answer when its watchdog has found its place: asking again and again until then would take
    time from what the nodes are busy with.
    """
    answers: Answers = dict.fromkeys(names)

    def put(name: str) -> None:
        try:
            if name == config["name"]:
                answers[name] = settled_facts(config) if settled else all_facts(config)
            elif settled:
                seconds = ASK_SECONDS + FORMATION_SECONDS
                answers[name] = json.loads(on_node(config, name, ["facts", "--settled"], seconds=seconds))
            else:
                answers[name] = json.loads(on_node(config, name, ["facts"], seconds=ASK_SECONDS))
        except (StepFailed, OSError, ValueError) as failure:
            log(f"{name}: {failure}")

    threads = [threading.Thread(target=put, args=(name,)) for name in answers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def join(
    config: Config,
    *,
    initialised: bool,
    force_primary: str | None = None,
    rejoin: str | None = None,
    gives_up: bool = True,
) -> dict[str, Any]:
    """Apply the rules of join, of which `join.decide` tells, until they ask for nothing more.

    Raises Refused or StepFailed.
    """
    done: list[str] = []
    rounds = 0
    silent_since: float | None = None
    expected_since: float | None = None
    with locks.JOIN.open("w") as lock:
        answers = claim(config, lock)
        if initialised:
            rest_witness(config, answers)
        while True:
            decision = decide(
                [answer_of(name, facts) for name, facts in answers.items()],
                first=config["nodes"][0]["name"],
                initialised=initialised,
                force_primary=force_primary,
                rejoin=rejoin,
                gives_up=gives_up,
            )
            if busy := being_changed(decision, answers):
                # A failover's own steps: what they make of the node is decided on then.
                decision = Wait(busy, "another step changes its PostgreSQL", "see failover.log and join.log there")
            elif force_primary is None and (expected := successor(decision, answers)):
                expected_since = expected_since or time.monotonic()
                if time.monotonic() - expected_since < FAILOVER_SECONDS:
                    log(f"nobody is primary: waiting for pgpool, which may be making {expected} one")
                    time.sleep(1)
                    answers = ask_all(config)
                    continue
            match decision:
                case Refusal(reason, remedy):
                    raise Refused(f"{reason}; {remedy}")
                case Wait(node, reason, remedy):
                    silent_since = silent_since or time.monotonic()
                    if time.monotonic() - silent_since > WAIT_SECONDS:
                        raise Refused(f"{node}: {reason}; {remedy}")
                    time.sleep(1)
                    answers = ask_all(config)
                case Plan(primary, actions):
                    if not actions:
                        return {"primary": primary, "actions": done, "standbys": standbys_of(primary, answers)}
                    rounds += 1
                    if rounds > ROUNDS:
                        raise StepFailed(f"what was done does not last: {', '.join(done[-len(actions) :])}")
                    silent_since = None
                    perform(config, decision, answers)
                    done += [f"{action.verb} {action.node}" for action in actions]
                    # It has been obeyed: from here on the rules find the primary that it made.
                    force_primary = None


def successor(decision: object, answers: Answers) -> str | None:
    """A standby that a pgpool may be promoting while the rules ask for a start of the old primary: two would be one."""
    actions = decision.actions if isinstance(decision, Plan) else ()
    said = {name: facts for name, facts in answers.items() if facts}
    starts = any(action.verb == "start-primary" for action in actions)
    if not starts or not any(facts["pgpool"]["running"] for facts in said.values()):
        return None
    return next((name for name, facts in said.items() if facts["postgres"]["in_recovery"]), None)


def being_changed(decision: object, answers: Answers) -> str | None:
    """A node for which the rules ask for something while another step is at work on it."""
    actions = decision.actions if isinstance(decision, Plan) else ()
    return next((action.node for action in actions if (answers[action.node] or {}).get("changing")), None)


def claim(config: Config, lock: IO[str]) -> Answers:
    """Be the only join of the lab, and give what the nodes said then.

    Each first shows its own claim and then looks for others', so that of two at least one sees the other. Who comes
    later in the list of nodes steps back; who is at work already no longer looks.
    """
    order = [node["name"] for node in config["nodes"]]
    deadline = time.monotonic() + STEP_SECONDS
    while True:
        locks.take(lock)
        began = time.monotonic()
        answers = ask_all(config)
        others = [name for name in order if name != config["name"] and (answers[name] or {}).get("joining")]
        if not others:
            return answers
        if time.monotonic() > deadline:
            raise Refused(f"{others[0]} has been applying the rules of join for long; see join.log on it, then repeat")
        log(f"{others[0]} applies the rules of join: waiting")
        if order.index(others[0]) < order.index(config["name"]):
            locks.release(lock)
            time.sleep(2 * (time.monotonic() - began))
        time.sleep(1)


def rest_witness(config: Config, answers: Answers) -> None:
    """Stop the witness's pgpool while it leads because no node's runs; whoever starts those starts it again.

    A pgpool takes its leader's view over when it joins (pgpool_main.c, sync_backend_from_watchdog): the first node's
    would believe what was true when the last one ended.
    """
    if any(facts and facts["pgpool"]["running"] for facts in answers.values()):
        return
    said = ask(config, [entry["name"] for entry in witnesses(config)])
    if any(
        facts and facts["pgpool"]["running"] and facts["pgpool"]["watchdog_role"] != "STANDBY"
        for facts in said.values()
    ):
        tell_witness(config, "pgpool-stop")


def tell_witness(config: Config, verb: str) -> None:
    """One step on the witness, where there is one; that it fails is told by the wait until all is healthy."""
    for entry in witnesses(config):
        log(f"{entry['name']}: {verb}")
        try:
            on_node(config, entry["name"], ["local", verb], seconds=WITNESS_SECONDS)
        except StepFailed as failure:
            log(f"{failure}")


def stop_pgpool(config: Config, answers: Answers) -> list[str]:
    """Stop every pgpool, the holder of the virtual IP last, so that it does not move from node to node.

    A witness goes first: left alone it would lead.
    """
    tell_witness(config, "pgpool-stop")
    running = [name for name, facts in answers.items() if facts and facts["pgpool"]["running"]]
    running.sort(key=lambda name: name in health.holders(answers))
    for name in running:
        log(f"{name}: pgpool-stop")
        on_node(config, name, ["local", "pgpool-stop"], seconds=STEP_SECONDS)
    return [f"pgpool-stop {name}" for name in running]


def standbys_of(primary: str, answers: Answers) -> list[str]:
    """The nodes that stream from the primary."""
    return [name for name, facts in answers.items() if facts and facts["postgres"]["streaming_from"] == primary]


def perform(config: Config, plan: Plan, answers: Answers) -> None:
    """Carry out a plan's actions at the same time, and put the nodes' new facts into `answers`."""
    failures: list[str] = []

    def act(verb: str, name: str, primary: str) -> None:
        log(f"{name}: {verb}")
        words = ["local", verb] + (["--primary", primary] if primary != name else [])
        try:
            answers[name] = json.loads(on_node(config, name, words, seconds=STEP_SECONDS).splitlines()[-1])
        except (StepFailed, ValueError, IndexError) as failure:
            failures.append(str(failure))

    threads = [threading.Thread(target=act, args=action) for action in plan.actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise StepFailed("; ".join(failures))


def settle(
    config: Config,
    stopped_pgpools: Collection[str] = (),
    absent: Collection[str] = (),
    said: tuple[Answers, Answers] | None = None,
) -> dict[str, Any]:
    """Wait until the cluster is healthy, attaching backends that stream and are held for down meanwhile.

    A virtual IP beside the leader's is taken away, and a pgpool that goes on believing other things than the leader, or
    knows no primary, or answers nobody, is started again.

    pgpool is started where changed settings of PostgreSQL had it stopped; `stopped_pgpools` are nodes where it may stay
    so, `absent` are nodes whose PostgreSQL is not waited for, and `said` is what all said just now once they had their
    places, if they were asked.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    started: set[str] = set()
    restarted: set[str] = set()
    asking = 0.0
    answers, witness = said or ask_members(config, settled=True)
    # The question itself has waited for those that run and still have no place.
    placeless = set(health.without_pgpool({**answers, **witness})) & set(health.mute(answers, witness=witness))
    astray = dict.fromkeys(placeless, time.monotonic() - FORMATION_SECONDS)
    while True:
        # Once: one that does not stay is for its log and the operator.
        if names := health.to_start({**answers, **witness}, stopped_pgpools={*stopped_pgpools, *started}):
            for name in names:
                log(f"starting pgpool on {name}")
                on_node(config, name, APPLY, seconds=STEP_SECONDS)
                started.add(name)
            answers, witness = ask_members(config, settled=True)
        problems = health.problems(answers, witness=witness, stopped_pgpools=stopped_pgpools, absent=absent)
        if not problems:
            return {"primary": health.primaries(answers)[0], "holder": health.holders(answers)[0]}
        if time.monotonic() > deadline:
            raise StepFailed(f"not healthy after {SETTLE_SECONDS} s: {'; '.join(problems)}")
        for name in health.to_release(answers):
            log(f"taking the virtual IP off {name}: another node leads, and holds it")
            try:
                on_node(config, name, ["local", "release-vip"], seconds=ASK_SECONDS)
            except StepFailed as failure:
                log(f"{failure}")  # It is tried again while the address is there.
        for name in health.to_attach(answers, witness=witness):
            backend = node(config, name)["backend_id"]
            # Where every pgpool fails over by itself, it may have lost what the leader told it (script.py, through).
            alone = config["pgpool"]["failover_command_runs_on"] == "every"
            for asked in health.unaware(name, answers) if alone else [leader(answers) or config["name"]]:
                log(f"attaching {name} through pgpool on {asked}: {pgpool.attach(config, asked, backend)}")
        now = time.monotonic()
        misled = [*health.misled(answers, witness=witness), *health.without_primary(answers, witness=witness)]
        mute = [name for name in health.mute(answers, witness=witness) if name not in stopped_pgpools]
        astray = {name: astray.get(name, now) for name in [*misled, *mute]}
        for name in (
            n for n, since in astray.items() if now - since >= (MUTE_SECONDS if n in mute else MISLED_SECONDS)
        ):
            what = "answers nobody" if name in mute else "goes on believing what is not so"
            log(f"pgpool on {name} {what}: starting it again")
            on_node(config, name, ["local", "pgpool-stop"], seconds=STEP_SECONDS)
            on_node(config, name, APPLY, seconds=STEP_SECONDS)
            astray[name] = time.monotonic()
            if name not in restarted:
                # It has as long as one that was just started, once.
                deadline = time.monotonic() + SETTLE_SECONDS
                restarted.add(name)
        # As long as the answers took: asking all the time takes from starved processors what is being waited for.
        time.sleep(max(0.5, min(asking, PAUSE_SECONDS)))
        began = time.monotonic()
        answers, witness = ask_members(config)
        asking = time.monotonic() - began


def leader(answers: Mapping[str, Mapping[str, Any] | None]) -> str | None:
    """The node whose pgpool leads the watchdog cluster."""
    return next(
        (name for name, facts in answers.items() if facts and facts["pgpool"]["watchdog_role"] == "LEADER"),
        None,
    )


def start(config: Config) -> dict[str, Any]:
    """Start everything after the machines were started: PostgreSQL by the rules of join, then every pgpool."""
    return join(config, initialised=True) | serve(config)


def serve(config: Config) -> dict[str, Any]:
    """Every pgpool with its present configuration, and the wait until all agree.

    One node after the other: a changed configuration must not restart all of them at once. The witness is the last: it
    would lead without the others. Members that are numbered anew do not know each other until all go by the new
    numbers: they are stopped first.
    """
    names = [node["name"] for node in config["nodes"]]
    if any(pgpool.RENUMBERED in on_node(config, name, APPLY, seconds=STEP_SECONDS) for name in names):
        log("the watchdog's members have other numbers: every pgpool is stopped first")
        stop_pgpool(config, ask_all(config))
        for name in names:
            on_node(config, name, APPLY, seconds=STEP_SECONDS)
    tell_witness(config, "pgpool-apply")
    log(STARTED)
    return settle(config)


def rejoin(config: Config, name: str, force_primary: str | None = None) -> dict[str, Any]:
    """Bring one node back: its PostgreSQL by the rules of join, its pgpool, and its place among the backends.

    Of the others only those are waited for that take part already: nodes that are down or follow nobody, and pgpools
    without a place in the watchdog cluster, stay as they are, each for a rejoin of its own.
    """
    if force_primary is not None:
        refuse_without_majority(*ask_members(config))
    result = bring_back(config, name, force_primary)
    tell_witness(config, "pgpool-apply")
    answers, witness = ask_members(config, settled=True)
    stopped = {other for other in health.without_pgpool({**answers, **witness}) if other != name}
    absent = {other for other in health.absentees(answers) if other != name}
    absent |= {other for other, facts in witness.items() if facts is None}
    return result | settle(config, stopped, absent, (answers, witness))


def refuse_without_majority(answers: Answers, witness: Answers) -> None:
    """Raise Refused where a primary that is started would stop itself: others might promote another (`isolation`)."""
    said = {**answers, **witness}
    silent = [name for name, facts in said.items() if facts is None]
    if cut_off(len(said), len(said) - len(silent) - 1, gateway=True):
        raise Refused(
            f"{', '.join(silent)} do not answer: a primary that reaches no majority stops itself; bring one of them "
            "back first, ./lab up does"
        )


def bring_back(config: Config, name: str, force_primary: str | None = None, *, gives_up: bool = True) -> dict[str, Any]:
    """One node's PostgreSQL by the rules of join, and its pgpool."""
    result = join(config, initialised=True, force_primary=force_primary, rejoin=name, gives_up=gives_up)
    on_node(config, name, APPLY, seconds=STEP_SECONDS)
    return result


def switchover(config: Config, target: str | None) -> dict[str, Any]:
    """A planned change of the primary that loses nothing.

    The primary is stopped cleanly, so its standbys receive all of its WAL and are equals; pgpool's failover promotes
    `target` (None: the first streaming standby), which is preferred among equals; the others follow it as after any
    failover; the old primary joins again as a standby. Returns when all of that is done. Raises Refused on a lab that
    is not healthy or whose target does not keep up, and where the old primary then has rows that the new one has not:
    they are kept. Raises StepFailed when another node was promoted because the target had fallen behind.
    """
    answers, witness = ask_members(config)
    if problems := health.problems(answers, witness=witness):
        mend = health.way_out(problems, witness)
        raise Refused(f"not healthy: {'; '.join(problems)}; bring it in order first: {mend}")
    old = health.primaries(answers)[0]
    standbys = [node["name"] for node in config["nodes"] if node["name"] != old]
    target = target or next(name for name in standbys if name in standbys_of(old, answers))
    if target == old:
        return {"primary": old, "actions": []}
    if target not in standbys:
        raise Refused(f"{target} is no node of this lab; choose one of {', '.join(standbys)}")
    wait_until_close(config, old, target, answers)
    log(f"switchover from {old} to {target}")
    with preferred(config, target):
        on_node(config, old, ["local", "stop"], seconds=STEP_SECONDS)
        promoted = wait_for_primary(config)
    result = bring_back(config, old, gives_up=False) | settle(config)
    if promoted != target:
        raise StepFailed(f"{promoted} was promoted, not {target}; see failover.log on the nodes")
    return result


def wait_until_close(config: Config, primary: str, target: str, answers: Answers) -> None:
    """Wait until a standby lacks little of the primary's WAL. Raises Refused when it does not catch up."""
    deadline = time.monotonic() + CLOSE_SECONDS
    while (lacks := lacked(answers, primary, target)) is None or lacks > CLOSE_BYTES:
        if time.monotonic() > deadline:
            much = "nobody knows how much" if lacks is None else f"{lacks} bytes"
            raise Refused(
                f"{target} lacks {much} of {primary}'s WAL and does not catch up: rows could be lost; "
                "write less meanwhile, then repeat"
            )
        time.sleep(1)
        answers = ask_all(config)


def lacked(answers: Answers, primary: str, standby: str) -> int | None:
    """Bytes of WAL that a standby has not received, by what both said; None where one said nothing."""
    ahead, behind = ((answers[name] or {"postgres": {}})["postgres"].get("lsn") for name in (primary, standby))
    return max(0, parse_lsn(ahead) - parse_lsn(behind)) if ahead and behind else None


def wait_for_primary(config: Config) -> str:
    """Wait until one node is primary: which. Raises StepFailed."""
    deadline = time.monotonic() + WAIT_SECONDS
    while len(found := health.primaries(ask_all(config))) != 1:
        if time.monotonic() > deadline:
            raise StepFailed(
                f"nobody was promoted within {WAIT_SECONDS} s: see failover.log on the nodes; ./lab up applies the "
                "rules of join again, to the node that was stopped as well"
            )
    return found[0]
