"""What can be done to a lab: each fault is injected, verified to have taken effect, and healed."""

from pgpool_lab.harness.faults.injector import Injected, Injector
from pgpool_lab.harness.faults.model import Fault, Losses, NotInEffect, Target
from pgpool_lab.harness.faults.record import Entry, Record
from pgpool_lab.harness.faults.table import FAULTS, fault_named

__all__ = [
    "FAULTS",
    "Entry",
    "Fault",
    "Injected",
    "Injector",
    "Losses",
    "NotInEffect",
    "Record",
    "Target",
    "fault_named",
]
