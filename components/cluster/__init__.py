"""The whole lab: everything wired together, and the two steps that act on all nodes at once."""

from components.cluster.cluster import Cluster

__all__ = ["Cluster"]
