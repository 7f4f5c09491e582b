"""Stored passwords against the examples of the documents that define them."""

from __future__ import annotations

import hmac
from base64 import b64decode

from pgpool_lab.node.passwords import ITERATIONS, scram, stored


def test_server_signature_of_the_example_in_rfc_7677() -> None:
    salt = "W22ZaJ0SNY7soEsUEjb6gQ=="
    text = scram("pencil", b64decode(salt), 4096)
    nonce = "rOprNGfwEbeRWgbNEkqO"
    both = f"{nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = f"n=user,r={nonce},r={both},s={salt},i=4096,c=biws,r={both}"
    assert text.startswith(f"SCRAM-SHA-256$4096:{salt}$")
    server_key = b64decode(text.rsplit(":", 1)[1])
    signature = b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert hmac.digest(server_key, message.encode(), "sha256") == signature


def test_md5_is_of_password_and_user() -> None:
    assert stored("md5", "foo", "bar") == "md596948aad3fcae80c08a35c9b5958cd89"


def test_salts_differ() -> None:
    first, second = stored("scram-sha-256", "a", "b"), stored("scram-sha-256", "a", "b")
    assert first != second
    assert first.startswith(f"SCRAM-SHA-256${ITERATIONS}:")
