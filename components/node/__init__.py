"""A node: one virtual machine, reachable over ssh, and the files written to it."""

from components.node.files import NodeFile, write_files
from components.node.node import Node, NodeArgs

__all__ = ["Node", "NodeArgs", "NodeFile", "write_files"]
