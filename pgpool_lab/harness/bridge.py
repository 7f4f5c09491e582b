"""The bridge of the nodes' LAN: whether it lets the machines' frames through yet."""

from __future__ import annotations

import json
import subprocess

from pgpool_lab.cluster.client import network_prefix
from pgpool_lab.cluster.outputs import NetworkOutput
from pgpool_lab.errors import LabError
from pgpool_lab.waiting import NotInTime, wait_for

NOT_YET = {"listening", "learning"}
"""States of a port in which it drops every frame of its machine (802.1D; ip-link(8), bridge_slave, `state`)."""

FORWARDING_SECONDS = 40
"""A port listens and learns for the forward delay each: 15 s by the standard, 2 s on a network of libvirt's."""


def wait_until_forwarding(network: NetworkOutput) -> None:
    """Wait until every port of the bridge has come to its state. Raises LabError."""
    try:
        wait_for(
            lambda: not_forwarding(ports(network)),
            lambda names: not names,
            seconds=FORWARDING_SECONDS,
            what=f"the ports of {network.bridge} forward",
            pause=0.2,
        )
    except NotInTime as error:
        raise LabError(str(error), f"ip -details link show master {network.bridge}") from None


def ports(network: NetworkOutput) -> str:
    """What ip(8) says of the bridge's ports, as JSON."""
    command = [*network_prefix(network.namespace), "ip", "-json", "-details", "link", "show", "master", network.bridge]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}", "root is needed")
    return done.stdout


def not_forwarding(shown: str) -> list[str]:
    """Names of the ports that are on their way to forwarding."""
    return [
        port["ifname"]
        for port in json.loads(shown)
        # ip(8) leaves an empty object for every interface that the filter drops.
        if port and port["linkinfo"]["info_slave_data"]["state"] in NOT_YET
    ]
