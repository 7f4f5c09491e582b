"""Keys of the advisory locks that the agent takes in PostgreSQL, in the database `postgres`."""

PROMOTION = 7010223
"""Held on the node that is promoted: several pgpools may run the failover script at once (until 3.3 all do)."""

PREFERENCE = 7010224
"""Held on the standby that a switchover is to make primary. It ends with the session that took it."""
