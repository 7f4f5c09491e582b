"""Placing a node's own moments on this machine's clock."""

from __future__ import annotations


class Uptime:
    """How a node's uptime relates to this machine's monotonic clock, narrowed by every sample.

    A sample says that an uptime was reached between two moments here, so the difference lies between two bounds. A
    machine that was paused or restarted contradicts the bounds so far: then the newest sample alone holds.
    """

    def __init__(self) -> None:
        self._least = float("-inf")
        self._most = float("inf")

    def learn(self, uptime: float, *, earliest: float, latest: float) -> None:
        """A node reached `uptime` between `earliest` and `latest`; all in seconds."""
        least, most = max(self._least, earliest - uptime), min(self._most, latest - uptime)
        if least > most:
            least, most = earliest - uptime, latest - uptime
        self._least, self._most = least, most

    def place(self, uptime: float) -> tuple[float, float] | None:
        """Between which moments here the node reached `uptime`; None before the first sample."""
        if self._most == float("inf"):
            return None
        return uptime + self._least, uptime + self._most
