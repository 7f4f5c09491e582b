"""A libvirt of the lab's own: namespace, daemon, folders; and the choice between KVM and emulation."""

from pgpool_lab.hypervisor.configuration import uri
from pgpool_lab.hypervisor.connection import connect_check, on_this_host, program_check, sees_this_tree
from pgpool_lab.hypervisor.daemon import PrivateLibvirt, start
from pgpool_lab.hypervisor.leftovers import forget_unrecorded, refuse_paused
from pgpool_lab.hypervisor.mirror import serve
from pgpool_lab.hypervisor.namespace import enter
from pgpool_lab.hypervisor.probe import DomainType, probe_domain_type
from pgpool_lab.hypervisor.removal import any_left, remove
from pgpool_lab.hypervisor.resources import check_disk, check_memory

__all__ = [
    "DomainType",
    "PrivateLibvirt",
    "any_left",
    "check_disk",
    "check_memory",
    "connect_check",
    "enter",
    "forget_unrecorded",
    "on_this_host",
    "probe_domain_type",
    "program_check",
    "refuse_paused",
    "remove",
    "sees_this_tree",
    "serve",
    "start",
    "uri",
]
