"""What an update must not do to a lab that exists: refused in the preview, before anything is changed."""

from components.guard.kept import KeptSettings
from components.guard.machines import OneMachineAtATime

__all__ = ["KeptSettings", "OneMachineAtATime"]
