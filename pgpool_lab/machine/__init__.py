"""What the lab needs of this machine: system packages, and a list of checks for `lab doctor`."""

from pgpool_lab.machine.checks import Check, doctor
from pgpool_lab.machine.installation import install
from pgpool_lab.machine.packages import Requirement, missing

__all__ = ["Check", "Requirement", "doctor", "install", "missing"]
