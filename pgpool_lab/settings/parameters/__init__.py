"""Names of the parameters of each pgpool-II release, and which of them a user may set."""

from pgpool_lab.settings.parameters.known import general, known
from pgpool_lab.settings.parameters.overrides import problem

__all__ = ["general", "known", "problem"]
