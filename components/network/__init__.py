"""The nodes' LAN: a bridge of its own, without DHCP."""

from components.network.network import LabNetwork, LabNetworkArgs

__all__ = ["LabNetwork", "LabNetworkArgs"]
