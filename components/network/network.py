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
    outward: bool = False
    """Whether the machines have a way to what this machine can reach, and name servers at the gateway."""


class LabNetwork(pulumi.ComponentResource):
    """A network and a pool. Both start with the daemon, so that they are there again after a reboot.

    The network is isolated, without DNS, unless machines have to install packages from the internet. There is never
    DHCP: addresses are static, and a lease over the whole subnet could hit the virtual IP.
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
            mode="nat" if args.outward else "none",
            bridge=args.bridge,
            addresses=[args.cidr],
            dhcp=libvirt.NetworkDhcpArgs(enabled=False),
            dns=libvirt.NetworkDnsArgs(enabled=args.outward),
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
