"""An address is taken away by its label, and an interface never switched off."""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Any

import pytest

from pgpool_lab.node.address import SIOCGIFCONF, SIOCSIFFLAGS, remove_address

HAS = [("lo", "127.0.0.1"), ("ens2", "10.9.0.1"), ("ens2:0", "10.9.0.9"), ("ens2", "10.9.0.8")]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("10.9.0.9", ["ens2:0"]), ("10.9.0.1", []), ("10.9.0.8", []), ("10.9.0.7", [])],
    ids=["labelled", "the interface's own", "a second one without a label", "not there"],
)
def test_only_an_address_with_a_label_goes(wanted: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    off: list[str] = []

    def ioctl(handle: Any, request: int, argument: bytes) -> bytes:
        if request == SIOCSIFFLAGS:
            label, flags = struct.unpack("16sH22x", argument)
            assert flags == 0
            off.append(label.rstrip(b"\0").decode())
            return argument
        assert request == SIOCGIFCONF
        _, place = struct.unpack("iP", argument)
        entries = [struct.pack("16sHH4s16x", name.encode(), 2, 0, socket.inet_aton(has)) for name, has in HAS]
        ctypes.memmove(place, b"".join(entries), 40 * len(HAS))
        return struct.pack("iP", 40 * len(HAS), place)

    monkeypatch.setattr("pgpool_lab.node.address.fcntl.ioctl", ioctl)
    assert remove_address(wanted) is bool(expected)
    assert off == expected
