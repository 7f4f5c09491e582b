"""Who has an address? Asked and answered in Ethernet frames (RFC 826)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

PROTOCOL = 0x0806
REQUEST, REPLY = 1, 2

_ETHERNET = struct.Struct("!6s6sH")
_PACKET = struct.Struct("!HHBBH6s4s6s4s")


def request(*, mac: bytes, ip: str, wanted: str) -> bytes:
    """The frame by which (`mac`, `ip`) asks everybody who has `wanted`."""
    header = _ETHERNET.pack(b"\xff" * 6, mac, PROTOCOL)
    sender, target = IPv4Address(ip).packed, IPv4Address(wanted).packed
    return header + _PACKET.pack(1, 0x0800, 6, 4, REQUEST, mac, sender, bytes(6), target)


def answerer(frame: bytes, wanted: str) -> str | None:
    """The MAC address (lower case, colons) that a reply gives for `wanted`; None for any other frame."""
    if len(frame) < _ETHERNET.size + _PACKET.size or _ETHERNET.unpack_from(frame)[2] != PROTOCOL:
        return None
    *_, operation, mac, sender, _, _ = _PACKET.unpack_from(frame, _ETHERNET.size)
    if operation != REPLY or sender != IPv4Address(wanted).packed:
        return None
    return str(mac.hex(":"))
