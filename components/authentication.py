"""The ways to authenticate, as pg_hba.conf and pool_hba.conf both call them."""

METHODS = {"scram": "scram-sha-256", "md5": "md5", "trust": "trust"}
"""By the setting `auth`."""
