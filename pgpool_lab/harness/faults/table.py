"""Every fault there is."""

from __future__ import annotations

from pgpool_lab.errors import LabError
from pgpool_lab.harness.faults.backup import BaseBackup
from pgpool_lab.harness.faults.clock import ClockJump
from pgpool_lab.harness.faults.machines import Paused, PoweredOff, Rebooted
from pgpool_lab.harness.faults.model import Fault, Loss
from pgpool_lab.harness.faults.network import LinkDown, Partition
from pgpool_lab.harness.faults.services import Ended, Frozen, Stopped
from pgpool_lab.harness.faults.storage import VolumeFull

PGPOOL = frozenset({Loss.PGPOOL})
POSTGRESQL = frozenset({Loss.POSTGRESQL})
BOTH = PGPOOL | POSTGRESQL
NOTHING: frozenset[Loss] = frozenset()

JUMP_SECONDS = 60
"""Beyond every deadtime that pgpool's heartbeat has in the presets."""

ALL = (
    Ended(
        "pgpool-stop",
        "pgpool is stopped in order (`pgpool -m fast stop` by its service); healing starts it",
        PGPOOL,
        Loss.PGPOOL,
        "systemctl --no-block stop {service}",
    ),
    Ended(
        "pgpool-kill",
        "every process of pgpool gets SIGKILL; healing starts it",
        PGPOOL,
        Loss.PGPOOL,
        "echo 1 >{cgroup}/cgroup.kill",
    ),
    Stopped("pgpool-hang", "every process of pgpool gets SIGSTOP; healing sends SIGCONT", PGPOOL),
    Ended(
        "postgresql-stop-fast",
        "PostgreSQL is stopped in order (SIGINT, `pg_ctl -m fast stop`); rejoining brings it back",
        POSTGRESQL,
        Loss.POSTGRESQL,
        "kill -INT $(head -n 1 {data}/postmaster.pid)",
    ),
    Ended(
        "postgresql-stop-immediate",
        "PostgreSQL is stopped without a checkpoint (SIGQUIT, `-m immediate`); rejoining brings it back",
        POSTGRESQL,
        Loss.POSTGRESQL,
        "kill -QUIT $(head -n 1 {data}/postmaster.pid)",
    ),
    Ended(
        "postgresql-kill",
        "every process of PostgreSQL gets SIGKILL; rejoining brings it back",
        POSTGRESQL,
        Loss.POSTGRESQL,
        "echo 1 >{cgroup}/cgroup.kill",
    ),
    Frozen("postgresql-hang", "PostgreSQL's whole cgroup is frozen; healing thaws it", POSTGRESQL),
    PoweredOff("machine-power-off", "the machine loses its power; healing starts it", BOTH),
    Rebooted("machine-reboot", "the machine reboots in order; healing waits until it takes logins", BOTH),
    Paused("machine-pause", "the machine stands still; healing lets it go on", BOTH),
    LinkDown("link-down", "the machine's network link goes down, for clients too; healing puts it up", BOTH),
    Partition("partition", "the node and its peers cannot reach each other, clients reach all; healing mends it", None),
    VolumeFull("disk-full", "a file takes all the room on the data volume; healing removes it", None),
    ClockJump("clock-forward", f"the clock jumps {JUMP_SECONDS} s forward; healing sets it right", None, JUMP_SECONDS),
    ClockJump("clock-back", f"the clock jumps {JUMP_SECONDS} s back; healing sets it right", None, -JUMP_SECONDS),
    BaseBackup(
        "base-backup", "a standby takes a slow base backup of its primary; healing ends and removes it", NOTHING
    ),
)

FAULTS: dict[str, Fault] = {fault.name: fault for fault in ALL}


def fault_named(name: str) -> Fault:
    """A fault by its name. Raises LabError that names the ones there are."""
    if name not in FAULTS:
        raise LabError(f"there is no fault {name!r}", f"choose one of {', '.join(FAULTS)}")
    return FAULTS[name]
