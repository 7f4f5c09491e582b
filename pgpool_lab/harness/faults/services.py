"""Faults of the two services: stopped, killed, hanging. Their processes are found by their cgroup (cgroups(7))."""

from __future__ import annotations

from dataclasses import dataclass

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Control, Moment
from pgpool_lab.harness.faults.model import Fault, Loss, Target


def cgroup(service: str) -> str:
    """Folder of a service's cgroup on a node (systemd's default hierarchy, cgroup version 2)."""
    return f"/sys/fs/cgroup/system.slice/{service}"


VERSION_2 = "/sys/fs/cgroup/cgroup.controllers"
"""A file that only the hierarchy of version 2 has (cgroups(7))."""


def on_version_2(script: str) -> str:
    """A script that does nothing but fail where a service's processes cannot be found so."""
    return f"[ -e {VERSION_2} ] || {{ echo 'this fault takes cgroups of version 2' >&2; exit 1; }}\n{script}"


def service_of(node: NodeOutput, part: Loss) -> str:
    """Name of the service that is lost."""
    return node.services.pgpool if part is Loss.PGPOOL else node.services.postgresql


def runs_nothing(service: str) -> str:
    """Whether a service has no process, as a condition (bash); systemd removes an empty cgroup.

    The shell reads the file itself: a program takes longer to start, on an emulated node, than it takes to look.
    """
    runs = f'{{ read -r first <{cgroup(service)}/cgroup.events; }} 2>/dev/null && [ "$first" = "populated 1" ]'
    return f"! {{ {runs}; }}"


@dataclass(frozen=True)
class Ended(Fault):
    """A service ends: `script` makes it, with `{service}`, `{cgroup}` and `{data}` filled in."""

    part: Loss
    script: str

    def inject(self, control: Control, target: Target) -> Moment:
        shows = runs_nothing(service_of(target.node, self.part))
        return self.strike(control, target.node, on_version_2(self.command(target.node)), shows, "stopped")

    def command(self, node: NodeOutput) -> str:
        """What ends it on a node."""
        service = service_of(node, self.part)
        return self.script.format(service=service, cgroup=cgroup(service), data=node.data_directory)

    def heal(self, control: Control, target: Target) -> None:
        """pgpool is started; PostgreSQL is not: that would be a second primary. Rejoining brings it back."""
        if self.part is Loss.PGPOOL:
            control.shell(target.node, f"systemctl start {target.node.services.pgpool}")


@dataclass(frozen=True)
class Stopped(Fault):
    """Every process of pgpool gets SIGSTOP: sockets stay open, heartbeats and answers stop, the virtual IP stays."""

    def inject(self, control: Control, target: Target) -> Moment:
        processes = f"{cgroup(target.node.services.pgpool)}/cgroup.procs"
        # Twice: the first round may miss a child that was just forked, and nobody forks after it. A child may end
        # between listing and signalling; that all are stopped is verified.
        stop = f"kill -STOP $(cat {processes}) || true"
        moment = control.act(target.node, on_version_2(f"{stop}\n{stop}"))
        script = states_script(target.node.services.pgpool)
        self.await_effect(lambda: all_stopped(control.shell(target.node, script)), target.node, "stopped by a signal")
        return moment

    def heal(self, control: Control, target: Target) -> None:
        """A child may end between listing and signalling; that none is left stopped is what counts."""
        processes = f"{cgroup(target.node.services.pgpool)}/cgroup.procs"
        script = f"[ ! -e {processes} ] || kill -CONT $(cat {processes}) || true"
        if any_stopped(control.shell(target.node, f"{script}\n{states_script(target.node.services.pgpool)}")):
            raise LabError(f"processes of pgpool on {target.node.name} are still stopped", "./lab fault heal")


def states_script(service: str) -> str:
    """A script that prints the state of every process of a service (proc_pid_status(5))."""
    processes = f"{cgroup(service)}/cgroup.procs"
    return f"[ ! -e {processes} ] || sed 's|.*|/proc/&/status|' {processes} | xargs -r grep -hs ^State: || true"


def all_stopped(states: str) -> bool:
    """Whether there are processes and all are stopped: `State:\\tT (stopped)`."""
    letters = letters_of(states)
    return bool(letters) and set(letters) == {"T"}


def any_stopped(states: str) -> bool:
    """Whether one of the processes is stopped."""
    return "T" in letters_of(states)


def letters_of(states: str) -> list[str]:
    return [line.split()[1] for line in states.splitlines() if line.strip()]


@dataclass(frozen=True)
class Frozen(Fault):
    """PostgreSQL's whole cgroup is frozen. Stopping the postmaster alone would leave the backends writing."""

    def inject(self, control: Control, target: Target) -> Moment:
        group = cgroup(target.node.services.postgresql)
        shows = f"grep -qsx 'frozen 1' {group}/cgroup.events"
        script = on_version_2(f"echo 1 >{group}/cgroup.freeze")
        return self.strike(control, target.node, script, shows, "frozen")

    def heal(self, control: Control, target: Target) -> None:
        """A failover may have killed the service meanwhile: then its cgroup is gone."""
        file = f"{cgroup(target.node.services.postgresql)}/cgroup.freeze"
        control.shell(target.node, f"[ ! -e {file} ] || echo 0 >{file}")
