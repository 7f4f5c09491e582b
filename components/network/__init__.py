"""The nodes' LAN: a bridge of its own, without DHCP, DNS or a way out."""

from components.network.network import LabNetwork, LabNetworkArgs

__all__ = ["LabNetwork", "LabNetworkArgs"]
