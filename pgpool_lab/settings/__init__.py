"""The lab's settings: one typed model, checked before anything is created."""

from pgpool_lab.settings.load import from_engine, from_mapping, from_stack_file
from pgpool_lab.settings.model import LabSettings, NodeSettings

__all__ = ["LabSettings", "NodeSettings", "from_engine", "from_mapping", "from_stack_file"]
