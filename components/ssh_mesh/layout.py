"""What the nodes' ssh is called and where it lies."""

SERVICE_ACCOUNT = "postgres"
SHARED_LOGIN = "lab-ssh@.service"
"""Keeps a connection to the node that it is started for."""
CONTROL_PATH = "~/.ssh/%r@%h"
"""Where that connection is found (ssh_config(5), ControlPath)."""


def shared_login_to(node: str) -> str:
    """The service that keeps the connection to a node."""
    return SHARED_LOGIN.replace("@", f"@{node}")
