"""What makes this lab itself: passwords, ssh host keys and the operator's key, generated once and kept in the state."""

from components.identity.identity import Identity, IdentityArgs

__all__ = ["Identity", "IdentityArgs"]
