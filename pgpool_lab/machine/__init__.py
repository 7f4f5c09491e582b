"""What the lab needs of this machine: system packages, and a list of checks for `lab doctor`."""

from pgpool_lab.machine.checks import Check, doctor
from pgpool_lab.machine.installation import check_asking, install

__all__ = ["Check", "check_asking", "doctor", "install"]
