"""`lab bench`: where the time goes until a lab is healthy, beside what its bare machines take."""

from pgpool_lab.bench.phases import Phase, phases
from pgpool_lab.bench.report import Bench, boot_times, description

__all__ = ["Bench", "Phase", "boot_times", "description", "phases"]
