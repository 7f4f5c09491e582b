"""How the clients behave: as an application with sane settings does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkloadSettings:
    """How many clients there are, how fast they go, how long they wait. Times in seconds."""

    writers: int = 2
    writes_per_second: float = 5.0
    """By all writers together: what a cluster of emulated nodes on two shared cores bears beside its own work. With
    twice as many, three nodes kept a slow machine's cores 85 % to 100 % busy before anything was struck."""
    writes_per_second_by_dsn_all: float = 3.0
    """By one further writer, which may go to any pgpool: few, and enough to tell a second's outage."""
    readers: int = 1
    reads_per_second: float = 2.0
    """By all readers together."""
    reads_per_connection: int = 5
    """pgpool chooses the backend when a session begins: a reader that stayed would watch one backend only."""
    connect_seconds: int = 5
    """Where the connection string names one host. Nothing is gained by giving up a login that is under way; and while
    nobody answers, the kernel asks again every second (ip-sysctl, tcp_syn_linear_timeouts; Linux 6.5)."""
    connect_seconds_of_several: int = 2
    """For each of several hosts, of which the next one may be better; libpq takes no less than 2."""
    statement_seconds: float = 5.0
    """A server that is alive and doesn't answer, such as a stopped process, is given up after this."""
    back_off_seconds: float = 0.25
    """Between a failure and the next attempt."""

    def seconds_for(self, hosts: int) -> int:
        """How long each host of a connection string has to let a client in."""
        return self.connect_seconds if hosts == 1 else self.connect_seconds_of_several

    def return_seconds(self) -> float:
        """How long after the service is back a client may take to notice, at most.

        What it began just before runs into its timeout, then it backs off, connects and sends a row.
        """
        return self._back_after(hosts=1, pace=self.writers / self.writes_per_second)

    def return_seconds_by_dsn_all(self, nodes: int) -> float:
        """The same for the writer that tries the virtual IP, then the pgpool of each of `nodes`."""
        return self._back_after(hosts=1 + nodes, pace=1 / self.writes_per_second_by_dsn_all)

    def _back_after(self, *, hosts: int, pace: float) -> float:
        connecting = hosts * self.seconds_for(hosts)
        begun_before = max(self.statement_seconds, float(connecting))
        return begun_before + self.back_off_seconds + connecting + pace
