"""Runs a scenario: its steps one by one, watched, with everything healed and restored at the end, whatever happens."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.errors import LabError
from pgpool_lab.harness.bounds import unnoticed_seconds
from pgpool_lab.harness.control import Control
from pgpool_lab.harness.faults import Injector, Losses, fault_named
from pgpool_lab.harness.measures import PAUSE_SECONDS
from pgpool_lab.harness.observer import Observer, full_samples
from pgpool_lab.harness.restoration import restore
from pgpool_lab.harness.samples import NodeSample
from pgpool_lab.harness.scenarios.expectations import Evidence, unmet
from pgpool_lab.harness.scenarios.losses import commits_wait, parted, without_postgresql
from pgpool_lab.harness.scenarios.model import (
    Await,
    Heal,
    Inject,
    InjectOn,
    Outlast,
    Restore,
    Role,
    Scenario,
    Step,
    Switchover,
    Watch,
)
from pgpool_lab.harness.scenarios.protocols import Stage, Workload
from pgpool_lab.harness.scenarios.roles import Roles, fresh, resolve, roles_of
from pgpool_lab.harness.scenarios.run import Event, Kind, Outcome, ScenarioRun
from pgpool_lab.harness.timing import failover_seconds, longest_round_seconds
from pgpool_lab.waiting import NotInTime, bounded, wait_for

CALM_SECONDS = 5.0
"""Of undisturbed work before the first step: what an outage is compared with."""
POLL_SECONDS = 0.5
ROLES_SECONDS = 15.0
"""Within this time a lab that is as it should be has shown its roles in its samples."""
GLANCE_SECONDS = 3.0
"""The same where it need not be so any more: a busy node misses one answer, not three."""
HELD_SECONDS = 10.0
"""How long it is looked at, where no standby is left to confirm a commit, that none is acknowledged."""
IN_SECONDS = 30.0
"""Within this time every client is in on a healthy lab."""
WATCHING, RESTORING = "watching", "restoring"
"""How the lines begin that are told before time is let pass, and before the lab is brought back."""


class Runner:
    """Runs scenarios on one lab."""

    def __init__(
        self,
        stack: str,
        control: Control,
        injector: Injector,
        stage: Stage,
        make_workload: Callable[[], Workload],
        tell: Callable[[str], None],
    ) -> None:
        """`make_workload` is called on the prepared lab, once a run; `tell` gets a line for whoever watches."""
        self._stack, self._control, self._injector = stack, control, injector
        self._stage, self._make_workload, self._tell = stage, make_workload, tell

    def run(self, scenario: Scenario) -> ScenarioRun:
        """Run one scenario and leave the lab healthy.

        A step that fails ends the steps and is told in the result; it is raised only where there is no result to tell
        it in: LabError when the lab cannot be prepared or watched.
        """
        names = [node.name for node in self._control.outputs.nodes]
        if len(names) < scenario.nodes:
            raise LabError(
                f"{scenario.name} takes {scenario.nodes} nodes, {self._stack} has {len(names)}",
                "a lab with more: --stack three-node",
            )
        self._injector.heal_all()
        self._tell(f"preparing: {scenario.begins}")
        self._stage.prepare(scenario.begins)
        workload = self._make_workload()
        with self._injector.all_healed(), Observer(self._control.outputs) as observer:
            workload.start()
            try:
                performance = Performance(self._control, self._injector, observer, workload, self._tell)
                performance.perform(scenario, self._control.outputs, spread=self._stage.begins_alike)
            finally:
                ledger = workload.stop()
        observer.check()
        closing = full_samples(self._control.outputs)
        first = performance.first
        return ScenarioRun(
            scenario=scenario.name,
            sentence=scenario.sentence,
            stack=self._stack,
            holder=first.holders[0],
            primary=first.primaries[0],
            may_split=scenario.may_split_on(len(self._control.outputs.machines)),
            began=performance.began,
            ended=time.monotonic(),
            wall=performance.wall,
            events=tuple(performance.events),
            outcomes=tuple(performance.outcomes),
            failure=performance.failure,
            restored=performance.restored,
            samples=(*observer.samples(), *closing),
            ledger=ledger,
        )


class Performance:
    """One run while it goes on."""

    def __init__(
        self,
        control: Control,
        injector: Injector,
        observer: Observer,
        workload: Workload,
        tell: Callable[[str], None],
    ) -> None:
        self._control, self._injector, self._observer = control, injector, observer
        self._workload, self._tell = workload, tell
        self._names = [node.name for node in control.outputs.nodes]
        self._struck: list[str] = []
        self._disturbed = self._may_split = False
        self._step = 0
        self._acted = self._done_at = self.began = time.monotonic()
        self.wall = time.time()
        self._before = self.first = self._roles()
        self.events: list[Event] = []
        self.outcomes: list[Outcome] = []
        self.failure = ""
        self.restored = False

    def perform(self, scenario: Scenario, outputs: LabOutputs, *, spread: bool) -> None:
        """All steps until one fails; then healing and restoring, unless that was done after the last fault.

        `spread` has the first step begin at a random moment of pgpool's rounds of checks: that decides how soon it
        notices, and how the election goes.
        """
        self._may_split = scenario.may_split_on(len(outputs.machines))
        self._await_clients()
        moment = random.uniform(0, longest_round_seconds(outputs.timings)) if spread else 0.0
        time.sleep(bounded(CALM_SECONDS) + moment)
        self.first = self._roles_such_that(lambda roles: roles.arrangement is scenario.begins, str(scenario.begins))
        try:
            for self._step, step in enumerate(scenario.steps):
                self._take(step, outputs)
        except (LabError, NotInTime) as error:
            self.failure = getattr(error, "problem", str(error))
            self._tell(f"failed: {self.failure}")
        try:
            if self._disturbed or self.failure:
                self._step = len(scenario.steps)
                self._heal()
                self._restore()
            self.restored = True
        except (LabError, NotInTime) as error:
            self._tell(f"not restored: {error}")
            self.failure = self.failure or getattr(error, "problem", str(error))

    def _take(self, step: Step, outputs: LabOutputs) -> None:
        match step:
            case Inject(fault, role):
                self._inject(fault, self._choose(role))
            case InjectOn(fault, node):
                self._choose(Role.BOTH)
                self._inject(fault, (node,))
            case Await(expectations, seconds):
                limit = failover_seconds(outputs.timings) if seconds is None else seconds
                waits = commits_wait(outputs, without_postgresql(self.events))
                splits = self._may_split and parted(self.events)
                self._await(possible(expectations, waits=waits, splits=splits), bounded(limit))
                if waits and "writes-flow" in expectations:
                    self._watch(HELD_SECONDS)
            case Watch(seconds):
                self._watch(seconds)
            case Outlast(seconds):
                self._watch(unnoticed_seconds(outputs.timings, members=len(outputs.machines)) + seconds)
            case Heal():
                self._heal()
            case Restore():
                self._restore()
            case Switchover():
                self._switchover()

    def _watch(self, seconds: float) -> None:
        self._tell(f"{WATCHING} for {bounded(seconds):.0f} s")
        time.sleep(bounded(seconds))

    def _inject(self, name: str, struck: tuple[str, ...]) -> None:
        fault = fault_named(name)
        self._disturbed = True
        self._tell(f"{name} on {' and '.join(struck)}")
        injected = self._injector.inject_all(fault, [self._control.outputs.node(node) for node in struck])
        kind: Kind = "fault" if fault.losses != Losses() else "load"
        for one in injected:
            node = one.target.node.name
            earliest, latest = self._observer.place(node, one.moment)
            self._record(kind, name, (node,), earliest, latest)
        if kind == "fault":
            self._struck += struck

    def _heal(self) -> None:
        self._glance()
        began = time.monotonic()
        healed = self._injector.heal_all()
        if healed:
            self._tell(f"healed: {', '.join(f'{entry.fault} on {entry.node}' for entry in healed)}")
            self._done("heal", began, "heal", tuple(entry.node for entry in healed))

    def _restore(self) -> None:
        self._glance()
        began = time.monotonic()
        self._tell(RESTORING)
        for line in restore(self._control):
            self._tell(f"  {line}")
        self._done("restore", began, "restore", tuple(self._names))
        self._struck.clear()
        self._disturbed = False

    def _switchover(self) -> None:
        target = self._choose(Role.STANDBY)[0]
        self._disturbed = True
        began = time.monotonic()
        self._tell(f"switchover to {target}")
        self._control.agent(self._control.outputs.node(target), "switchover", target)
        self._done("switchover", began, "switchover", (target,))

    def _await(self, names: Sequence[str], seconds: float) -> None:
        """Poll until all hold. Raises LabError with those that do not; all of them are outcomes either way."""
        began = time.monotonic()
        while missing := unmet(names, self._evidence()):
            if time.monotonic() - began > seconds:
                break
            time.sleep(POLL_SECONDS)
        passed = time.monotonic() - began
        for name in names:
            self.outcomes.append(Outcome(expectation=name, unmet=missing.get(name, ""), after_seconds=passed))
            self._tell(f"  {name}: {missing.get(name) or 'yes'}")
        if missing:
            raise LabError(f"not within {seconds:.0f} s: {missing}", "./lab status; ./lab logs")

    def _await_clients(self) -> None:
        """Wait until all are in: one that is not yet has no outage that could be measured. Raises LabError."""
        try:
            wait_for(lambda: self._evidence().out, lambda out: not out, seconds=IN_SECONDS, what="every client gets in")
        except NotInTime as error:
            raise LabError(str(error), "./lab status; ./lab logs") from None

    def _glance(self) -> None:
        """Something is about to be done to whatever there is: what follows is held against the roles now."""
        with suppress(NotInTime):
            wait_for(self._roles, of_one_each, seconds=GLANCE_SECONDS, what="roles")
        self._before = self._roles()
        self._acted = time.monotonic()

    def _done(self, kind: Kind, began: float, name: str, nodes: tuple[str, ...]) -> None:
        self._record(kind, name, nodes, began, time.monotonic())

    def _record(self, kind: Kind, name: str, nodes: tuple[str, ...], earliest: float, latest: float) -> None:
        self._done_at = latest
        self.events.append(
            Event(
                kind=kind,
                step=self._step,
                name=name,
                nodes=nodes,
                holders=self._before.holders,
                primaries=self._before.primaries,
                earliest=earliest,
                latest=latest,
            )
        )

    def _choose(self, role: Role) -> tuple[str, ...]:
        """Who has a role now that something is done to the lab: what follows is held against the roles then.

        Raises LabError where the samples do not show one holder and one primary: nothing would follow from those.
        """

        def has_one(roles: Roles) -> bool:
            try:
                return of_one_each(roles) and bool(resolve(role, roles))
            except LabError:
                return False

        self._before = self._roles_such_that(has_one, f"somebody is {role}")
        self._acted = time.monotonic()
        return resolve(role, self._before)

    def _roles_such_that(self, accept: Callable[[Roles], bool], what: str) -> Roles:
        """Wait for roles: a busy node misses an answer now and then. Raises LabError."""
        try:
            found = wait_for(self._roles, accept, seconds=ROLES_SECONDS, what=what)
        except NotInTime as error:
            raise LabError(f"the samples do not show it: {error}", "./lab status") from None
        self._observer.check()
        return found

    def _roles(self) -> Roles:
        return roles_of(self._names, fresh(self._observer.latest(), time.monotonic()))

    def _evidence(self) -> Evidence:
        self._observer.check()
        now = time.monotonic()
        latest = fresh(self._observer.latest(), now)
        macs = {node.mac.lower(): node.name for node in self._control.outputs.nodes}
        answer = self._observer.latest_vip()
        book = self._workload.ledger()
        written = [
            write.done
            for write in book.acknowledged
            if write.way == "vip" and write.done is not None and write.sent >= self._done_at
        ]
        # A success of the moment in which the fault took effect does not make a client one that is back.
        succeeded = book.succeeded(max(self._done_at, now - PAUSE_SECONDS))
        return Evidence(
            before=self._before,
            now=roles_of(self._names, latest),
            targets=tuple(self._struck),
            latest=latest,
            since=[
                sample
                for sample in self._observer.samples()
                if isinstance(sample, NodeSample) and sample.earliest >= self._acted
            ],
            answerer=macs.get(answer.mac) if answer is not None and answer.mac is not None else None,
            write_age=now - max(written) if written else None,
            out=tuple(name for name in self._workload.names if name not in succeeded),
            readers=self._workload.readers,
        )


def of_one_each(roles: Roles) -> bool:
    """Whether one node is primary and one holds the virtual IP."""
    return roles.arrangement is not None


def possible(expectations: Sequence[str], *, waits: bool, splits: bool) -> list[str]:
    """Expectations without those that cannot come true where every commit `waits`, as it should; reads do not.

    Of nodes that may have split none can be expected: who serves whom is judged from what was recorded.
    """
    if splits:
        return []
    instead = {"writes-flow": [], "clients-back": ["readers-back"]} if waits else {}
    return [possible for name in expectations for possible in instead.get(name, [name])]
