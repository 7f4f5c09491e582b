"""Injects faults so that each is recorded first, and healed whatever happens to who injected it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults.model import Fault, Target
from pgpool_lab.harness.faults.record import Entry, Record
from pgpool_lab.harness.faults.table import fault_named
from pgpool_lab.waiting import NotInTime


@dataclass(frozen=True)
class Injected:
    """A fault that is in effect."""

    fault: Fault
    target: Target
    entry: Entry
    moment: Moment


class Injector:
    """The faults of one lab."""

    def __init__(self, control: Control, record: Record) -> None:
        self._control = control
        self._record = record

    def inject(self, fault: Fault, node: NodeOutput, peers: Sequence[NodeOutput] = ()) -> Injected:
        """Inject a fault. One that does not take effect is healed, and the reason raised.

        Without `peers` a fault concerns all other nodes.
        """
        target = self._target(node, peers)
        entry = Entry(fault=fault.name, node=node.name, peers=tuple(peer.name for peer in target.peers))
        self._record.add(entry)
        try:
            moment = fault.inject(self._control, target)
        except BaseException as error:
            try:
                self._heal(entry)
            except (LabError, NotInTime) as left:
                # It stays recorded: `heal_all` tries again.
                error.add_note(f"and it could not be healed: {left}")
            raise
        return Injected(fault, target, entry, moment)

    def inject_all(self, fault: Fault, nodes: Sequence[NodeOutput]) -> list[Injected]:
        """The same fault on several nodes at the same time. When it fails on one, it is healed on the others.

        An interrupt ends it as well, after the last one has struck: what strikes later than it is healed would stay.
        """
        pending: list[Future[Injected]] = []
        try:
            with ThreadPoolExecutor(len(nodes)) as pool:
                pending += [pool.submit(self.inject, fault, node) for node in nodes]
        finally:
            wait(pending)
        errors = [error for one in pending if (error := one.exception()) is not None]
        injected = [one.result() for one in pending if one.exception() is None]
        if errors:
            for one in injected:
                self.heal(one)
            raise errors[0]
        return injected

    def heal(self, injected: Injected) -> None:
        """Take one fault back."""
        self._heal(injected.entry)

    def heal_all(self) -> list[Entry]:
        """Take back everything that is recorded, the latest first, and return it.

        What was injected by one step, the same fault on several nodes, is healed at the same time. What cannot be
        healed stays recorded and does not keep the rest from being healed. Raises LabError that names it.
        """
        healed, failures = [], []
        for _, group in groupby(reversed(self._record.entries()), key=lambda entry: entry.fault):
            entries = list(group)
            with ThreadPoolExecutor(len(entries)) as pool:
                reasons = list(pool.map(self._try_to_heal, entries))
            for entry, reason in zip(entries, reasons, strict=True):
                if reason is None:
                    healed.append(entry)
                else:
                    failures.append(f"{entry.fault} on {entry.node}: {reason}")
        if failures:
            raise LabError(f"not healed: {'; '.join(failures)}", "./lab fault heal tries again; ./lab status")
        return healed

    @contextmanager
    def all_healed(self) -> Iterator[None]:
        """Heal everything recorded when the block ends, by an exception or an interrupt, too."""
        try:
            yield
        finally:
            self.heal_all()

    def _try_to_heal(self, entry: Entry) -> str | None:
        """None when it is healed, else why not."""
        try:
            self._heal(entry)
        except LabError as error:
            return error.problem
        except NotInTime as error:
            return str(error)
        return None

    def _heal(self, entry: Entry) -> None:
        outputs = self._control.outputs
        target = Target(outputs.node(entry.node), tuple(outputs.node(name) for name in entry.peers))
        fault_named(entry.fault).heal(self._control, target)
        self._record.remove(entry)

    def _target(self, node: NodeOutput, peers: Sequence[NodeOutput]) -> Target:
        others = tuple(other for other in self._control.outputs.nodes if other.name != node.name)
        return Target(node, tuple(peers) or others)
