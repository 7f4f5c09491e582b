"""What an update must not do to a lab that exists: refused in the preview, before anything is changed."""

from components.guard.kept import CLOUD_IMAGE, OWN_IMAGE, KeptSettings
from components.guard.machines import OneMachineAtATime

__all__ = ["CLOUD_IMAGE", "OWN_IMAGE", "KeptSettings", "OneMachineAtATime"]
