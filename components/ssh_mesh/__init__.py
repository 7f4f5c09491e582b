"""Key exchange between the nodes (the runbook's mutual trust), as data flow."""

from components.ssh_mesh.ssh_mesh import SshMesh, SshMeshArgs

__all__ = ["SshMesh", "SshMeshArgs"]
