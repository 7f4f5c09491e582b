"""Samples of a lab, several a second: what each node says of itself, and who answers for the virtual IP."""

from pgpool_lab.harness.observer.full import full_samples
from pgpool_lab.harness.observer.observer import Observer

__all__ = ["Observer", "full_samples"]
