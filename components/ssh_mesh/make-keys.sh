#!/usr/bin/env bash
# Makes the key pairs of root and postgres where they are missing; prints both public keys as JSON.
set -euo pipefail
declare -A public
for account in root postgres; do
    home=$(getent passwd "$account" | cut -d: -f6)
    key=$home/.ssh/id_ed25519
    install -d -m 700 -o "$account" -g "$account" "$home/.ssh"
    if [ ! -s "$key" ] || [ ! -s "$key.pub" ]; then
        # Half a pair is what an interruption left.
        rm -f "$key" "$key.pub"
        runuser -u "$account" -- ssh-keygen -q -t ed25519 -N '' -C "$account@$(hostname)" -f "$key"
    fi
    public[$account]=$(cat "$key.pub")
done
printf '{"root": "%s", "postgres": "%s"}\n' "${public[root]}" "${public[postgres]}"
