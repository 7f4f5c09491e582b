"""Faults of the network: a link without carrier, and nodes that cannot reach each other.

A partition is made in the nodes themselves, on both sides: each peer gets a permanent neighbour entry with a link-layer
address that nobody has, so packets vanish silently, as behind a cut cable (a blackhole route would answer a connect
with an error at once). It needs iproute2 only: no kernel module or firewall package in the image, none on the host.
The operator and the clients have another address, so ssh and the workload stay. A reboot heals it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults.model import BACK_SECONDS, Fault, NotInEffect, Target

NOBODY = "02:00:00:00:00:01"
"""A locally administered address that no machine of a lab has."""


@dataclass(frozen=True)
class LinkDown(Fault):
    """The machine's interface loses its carrier: it reaches nobody and nobody reaches it, clients included."""

    @property
    def aftermath_seconds(self) -> float:
        return BACK_SECONDS

    def inject(self, control: Control, target: Target) -> Moment:
        node = target.node
        moment = control.machine(node, "domif-setlink", node.mac, "down")
        self.await_effect(
            lambda: link_is_down(control.virsh("domif-getlink", node.domain, node.mac)), node, "without a link"
        )
        return moment

    def heal(self, control: Control, target: Target) -> None:
        if control.machine_state(target.node) != "shut off":
            control.machine(target.node, "domif-setlink", target.node.mac, "up")


def link_is_down(text: str) -> bool:
    """virsh's answer: the interface, then `up` or `down`."""
    return text.split()[-1:] == ["down"]


@dataclass(frozen=True)
class Partition(Fault):
    """A node and its peers cannot reach each other; clients reach both sides."""

    @property
    def parts_nodes(self) -> bool:
        return True

    @property
    def aftermath_seconds(self) -> float:
        return BACK_SECONDS

    def inject(self, control: Control, target: Target) -> Moment:
        """Both sides at the same time, so that none talks to a deaf one for long."""
        with ThreadPoolExecutor(1 + len(target.peers)) as pool:
            moments = list(
                pool.map(
                    lambda side: control.act(side[0], cut_script(*side)),
                    sides(target),
                )
            )
        for node, others in sides(target):
            for other in others:
                if got_through(control.shell(node, f"ping -n -c 1 -W 1 {other.ip} || true")):
                    raise NotInEffect(f"{self.name}: {node.name} still reaches {other.name}", "./lab fault heal")
        return Moment(min(moment.before for moment in moments), max(moment.after for moment in moments))

    def heal(self, control: Control, target: Target) -> None:
        """On every side that can be reached; one that can't keeps the fault recorded."""
        failures = []
        for node, others in sides(target):
            try:
                if control.machine_state(node) != "shut off":
                    control.shell(node, mend_script(node, others))
            except LabError as error:
                failures.append(error.problem)
        if failures:
            raise LabError(f"{self.name}: {'; '.join(failures)}", "./lab fault heal when the nodes can be reached")


def got_through(text: str) -> bool:
    """Whether ping (iputils) got its answer: `1 packets transmitted, 1 received, 0% packet loss`."""
    return " 0% packet loss" in text


def sides(target: Target) -> list[tuple[NodeOutput, tuple[NodeOutput, ...]]]:
    """Every node that takes part, with those it is cut from."""
    return [(target.node, target.peers), *((peer, (target.node,)) for peer in target.peers)]


def cut_script(node: NodeOutput, others: tuple[NodeOutput, ...]) -> str:
    """What makes `node` send what is for the others to nobody."""
    return "\n".join(
        f"ip neigh replace {other.ip} lladdr {NOBODY} dev {node.interface} nud permanent" for other in others
    )


def mend_script(node: NodeOutput, others: tuple[NodeOutput, ...]) -> str:
    """Remove exactly the entries of `cut_script`."""
    return "\n".join(
        f"if ip neigh show to {other.ip} dev {node.interface} | grep -q {NOBODY}; then "
        f"ip neigh del {other.ip} dev {node.interface}; fi"
        for other in others
    )
