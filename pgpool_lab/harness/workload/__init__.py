"""Clients outside the nodes that write numbered rows and read them back while a scenario runs."""
