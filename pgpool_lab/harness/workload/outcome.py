"""What a failed INSERT means: refused, or nobody knows."""

from __future__ import annotations

from typing import Literal

NOT_A_REFUSAL = ("08", "57P", "58", "XX")
"""Beginnings of SQLSTATEs after which the row may be there all the same.

08, 58 and XX: pgpool itself answers with these when it loses the backend to which it has sent the statement. 57P: the
server ends the session, in synchronous replication perhaps after it committed (PostgreSQL manual, appendix A;
src/backend/replication/syncrep.c, SyncRepWaitForLSN).
"""


def of_failure(sqlstate: str | None, *, connection_lost: bool) -> Literal["failed", "unknown"]:
    """`failed` only for a refusal by PostgreSQL on a connection that lives on; everything else is `unknown`."""
    if sqlstate is None or connection_lost or sqlstate.startswith(NOT_A_REFUSAL):
        return "unknown"
    return "failed"
