"""Every fault there is."""

from __future__ import annotations

from pgpool_lab.errors import LabError
from pgpool_lab.harness.faults.backup import BaseBackup
from pgpool_lab.harness.faults.clock import ClockJump
from pgpool_lab.harness.faults.machines import Paused, PoweredOff, Rebooted
from pgpool_lab.harness.faults.mend import ConnectionsKept
from pgpool_lab.harness.faults.model import Fault, Loss, Losses
from pgpool_lab.harness.faults.network import LinkDown, Partition
from pgpool_lab.harness.faults.services import Ended, Frozen, Stopped
from pgpool_lab.harness.faults.storage import VolumeFull

PGPOOL_LEAVES = Losses(pgpool="announced")
PGPOOL_SILENT = Losses(pgpool="silent")
PRIMARY_ENDS = Losses(postgresql="refuses")
"""An orderly stop sends everything to the standbys before it ends."""
PRIMARY_DIES = Losses(postgresql="refuses", rows=True)
PRIMARY_SILENT = Losses(postgresql="silent", rows=True)
HOST_REBOOTS = Losses(pgpool="announced", postgresql="silent", rows=True)
"""PostgreSQL refuses for a few seconds, then the host is silent: a check that falls into that takes longest."""
HOST_SILENT = Losses(pgpool="silent", postgresql="silent", rows=True)
NOTHING = Losses()

JUMP_SECONDS = 40
"""Beyond every deadtime that pgpool's heartbeat has in the presets."""

ALL = (
    Ended(
        "pgpool-stop",
        "pgpool is stopped in order (SIGINT, `pgpool -m fast stop`); healing starts it",
        PGPOOL_LEAVES,
        Loss.PGPOOL,
        "systemctl --no-block stop {service}",
    ),
    Ended(
        "pgpool-kill",
        "every process of pgpool gets SIGKILL; healing starts it",
        PGPOOL_SILENT,
        Loss.PGPOOL,
        "echo 1 >{cgroup}/cgroup.kill",
    ),
    Stopped("pgpool-hang", "every process of pgpool gets SIGSTOP; healing sends SIGCONT", PGPOOL_SILENT),
    Ended(
        "postgresql-stop-fast",
        "PostgreSQL is stopped in order (SIGINT, `pg_ctl -m fast stop`); rejoining brings it back",
        PRIMARY_ENDS,
        Loss.POSTGRESQL,
        "kill -INT $(head -n 1 {data}/postmaster.pid)",
    ),
    Ended(
        "postgresql-stop-immediate",
        "PostgreSQL is stopped without a checkpoint (SIGQUIT, `-m immediate`); rejoining brings it back",
        PRIMARY_DIES,
        Loss.POSTGRESQL,
        "kill -QUIT $(head -n 1 {data}/postmaster.pid)",
    ),
    Ended(
        "postgresql-kill",
        "every process of PostgreSQL gets SIGKILL; rejoining brings it back",
        PRIMARY_DIES,
        Loss.POSTGRESQL,
        "echo 1 >{cgroup}/cgroup.kill",
    ),
    Frozen("postgresql-hang", "PostgreSQL's whole cgroup is frozen; healing thaws it", PRIMARY_SILENT),
    PoweredOff("machine-power-off", "the machine loses its power; healing starts it", HOST_SILENT),
    Rebooted("machine-reboot", "the machine reboots in order; healing waits until it takes logins", HOST_REBOOTS),
    Paused("machine-pause", "the machine stands still; healing lets it go on", HOST_SILENT),
    LinkDown("link-down", "the machine's network link goes down, for clients too; healing puts it up", HOST_SILENT),
    Partition("partition", "the node and its peers cannot reach each other, clients reach all; healing mends it", None),
    VolumeFull("disk-full", "the data volume is full, and the server is refused more WAL; healing makes room", None),
    ClockJump("clock-forward", f"the clock jumps {JUMP_SECONDS} s forward; healing sets it right", None, JUMP_SECONDS),
    ClockJump("clock-back", f"the clock jumps {JUMP_SECONDS} s back; healing sets it right", None, -JUMP_SECONDS),
    BaseBackup(
        "base-backup", "a standby takes a slow base backup of its primary; healing ends and removes it", NOTHING
    ),
    ConnectionsKept(
        "connections-kept",
        "a failover drops no connections to the failed host; healing drops them, and later failovers do again",
        NOTHING,
    ),
)

FAULTS: dict[str, Fault] = {fault.name: fault for fault in ALL}


def fault_named(name: str) -> Fault:
    """A fault by its name. Raises LabError that names the ones there are."""
    if name not in FAULTS:
        raise LabError(f"there is no fault {name!r}", f"choose one of {', '.join(FAULTS)}")
    return FAULTS[name]
