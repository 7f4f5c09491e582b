"""What the mesh's service is called."""

SHARED_LOGIN = "lab-ssh@.service"
"""Keeps a connection to the node that it is started for."""


def shared_login_to(node: str) -> str:
    """The service that keeps the connection to a node."""
    return SHARED_LOGIN.replace("@", f"@{node}")
