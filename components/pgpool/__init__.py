"""pgpool-II on the nodes: configuration, scripts, service."""

from components.pgpool.pgpool import Pgpool, PgpoolArgs

__all__ = ["Pgpool", "PgpoolArgs"]
