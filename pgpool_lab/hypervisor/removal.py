"""Taking a private libvirt away, from whatever state it is in."""

from __future__ import annotations

import shutil

from pgpool_lab.hypervisor import namespace, processes
from pgpool_lab.hypervisor.daemon import exclusively, require_root
from pgpool_lab.paths import LabPaths


def any_left(lab: LabPaths) -> bool:
    """Whether anything of the lab's libvirt is there: folders, sockets or the namespace."""
    return any(place.exists() for place in (lab.libvirt, lab.runtime, namespace.NAMESPACES / lab.name))


def remove(lab: LabPaths) -> None:
    """End every process of the lab, remove its namespace and all its files. Does nothing where nothing is.

    Machines are ended as processes rather than through the daemon, which may be dead or hang; definitions,
    snapshots and disks all lie in libvirt's folders. The mounts are in the processes' own mount namespace and the
    interfaces and firewall rules in their network namespace: they go with the last process. The folder /run/netns
    is iproute2's and stays.
    """
    private = any_left(lab)
    if not private and not lab.root.exists():
        return
    if private:
        require_root()
    # A command that waits for this to end finds its lab removed: hence the files before the lock is given back.
    with exclusively(lab):
        if private:
            # Daemons first, lest they act on the end of their machines.
            processes.end(processes.daemons(lab))
            processes.end(processes.of_lab(lab))
            namespace.delete(lab)
            for folder in (lab.runtime, lab.libvirt):
                if folder.exists():
                    shutil.rmtree(folder)
        shutil.rmtree(lab.root, ignore_errors=True)
