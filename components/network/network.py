"""The libvirt network and the storage pool that a lab's nodes share."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_libvirt as libvirt


@dataclass(frozen=True)
class LabNetworkArgs:
    cidr: str
    bridge: str
    """Name of the bridge: at most 15 characters (Linux's limit for interfaces)."""
    pool_directory: str
    """Folder of the pool, as libvirt's daemon sees it."""


class LabNetwork(pulumi.ComponentResource):
    """An isolated network and a pool. Both start with the daemon, so that they are there again after a reboot.

    DHCP and DNS are off: addresses are static, and a lease over the whole subnet could hit the virtual IP.
    """

    network: libvirt.Network
    pool: libvirt.Pool
    bridge: pulumi.Output[str]

    def __init__(self, name: str, args: LabNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgpool-lab:index:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.network = libvirt.Network(
            name,
            name=name,
            mode="none",
            bridge=args.bridge,
            addresses=[args.cidr],
            dhcp=libvirt.NetworkDhcpArgs(enabled=False),
            dns=libvirt.NetworkDnsArgs(enabled=False),
            autostart=True,
            opts=child,
        )
        self.pool = libvirt.Pool(
            name,
            name=name,
            type="dir",
            target=libvirt.PoolTargetArgs(path=args.pool_directory),
            opts=child,
        )
        self.bridge = self.network.bridge
        self.register_outputs({"bridge": self.bridge})
