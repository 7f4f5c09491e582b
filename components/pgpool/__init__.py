"""pgpool-II on one node: configuration, scripts, service; and its programs, where another node compiled them."""

from components.pgpool.copy import PgpoolCopy, PgpoolCopyArgs
from components.pgpool.pgpool import Pgpool, PgpoolArgs

__all__ = ["Pgpool", "PgpoolArgs", "PgpoolCopy", "PgpoolCopyArgs"]
