"""A randomized run: one random fault after the other, with healing in between, repeatable by its seed."""

from pgpool_lab.harness.soak.run import Soak, SoakResult

__all__ = ["Soak", "SoakResult"]
