#!/usr/bin/env bash
# Makes the key pairs of root and postgres where they are missing; prints both public keys as JSON.
set -euo pipefail
for account in root postgres; do
    home=$(getent passwd "$account" | cut -d: -f6)
    install -d -m 700 -o "$account" -g "$account" "$home/.ssh"
    [ -f "$home/.ssh/id_ed25519" ] ||
        runuser -u "$account" -- ssh-keygen -q -t ed25519 -N '' -C "$account@$(hostname)" -f "$home/.ssh/id_ed25519"
done
printf '{"root": "%s", "postgres": "%s"}\n' "$(cat ~root/.ssh/id_ed25519.pub)" "$(cat ~postgres/.ssh/id_ed25519.pub)"
