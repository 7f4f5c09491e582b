#!/usr/bin/env bash
# Gives the files on a data disk to this machine's service account: the machine that wrote them may have had another
# number for it. After postgresql.sh, which makes the account. Needs: DATA_FOLDER.
set -euo pipefail
# The file system's own are root's.
find "$DATA_FOLDER" -xdev ! -uid 0 \( ! -user postgres -o ! -group postgres \) -exec chown -h postgres:postgres {} +
