"""The lab's identity, generated once: passwords and ssh keys. Each verb prints JSON on standard output, for the engine.

python -m pgpool_lab.identity passwords
python -m pgpool_lab.identity ssh-key COMMENT
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

ACCOUNTS = ("superuser", "replication", "check", "pcp", "watchdog", "pgpool_key")
"""What needs a secret of its own: three database users, PCP, the watchdog's peers, and the key of pool_passwd."""


def passwords() -> dict[str, str]:
    """A random secret of 24 letters and digits for every account: no character needs quoting anywhere."""
    alphabet = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return {account: "".join(secrets.choice(alphabet) for _ in range(24)) for account in ACCOUNTS}


def ssh_key(comment: str) -> dict[str, str]:
    """A new ed25519 key pair in OpenSSH's formats."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], check=True)
        return {"private": path.read_text(), "public": path.with_suffix(".pub").read_text().strip()}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["passwords"]:
            print(json.dumps(passwords()))
        case ["ssh-key", comment]:
            print(json.dumps(ssh_key(comment)))
        case _:
            sys.exit(__doc__)
