"""Passwords as PostgreSQL stores them, so that none of them is ever part of a statement."""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64encode

ITERATIONS = 64
"""Rounds of PBKDF2. RFC 7677 asks for 4096 to slow down guessing of people's passwords; these are random and longer
than anybody can guess, and every login of pgpool's checks would take half a second of an emulated processor."""


def stored(method: str, user: str, password: str) -> str:
    """The form in which `password_encryption` = `method` stores a password (manual, pg_authid, `rolpassword`)."""
    if method == "md5":
        return "md5" + hashlib.md5((password + user).encode()).hexdigest()
    return scram(password, os.urandom(16))


def scram(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """What RFC 5802 calls StoredKey and ServerKey, as text; `password` is ASCII, so SASLprep leaves it as it is."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    texts = [b64encode(value).decode() for value in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{texts[0]}${texts[1]}:{texts[2]}"
