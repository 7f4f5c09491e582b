"""The agent that runs on the nodes: standard library only, relative imports only, quick to start."""
