#!/usr/bin/env bash
# Where packages come from: the mirror alone where there is one, else the image's own repositories and, where it is
# wanted, the PostgreSQL project's. Needs: REFRESH; MIRROR, REPOSITORY_FILE, REPOSITORY and OTHER_REPOSITORIES, or
# PROJECT_SETUP, which may be empty.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
if [ -n "$MIRROR" ]; then
    # Patterns, which may fit nothing.
    for file in $OTHER_REPOSITORIES; do
        if [ -f "$file" ] && [ "$file" != "$REPOSITORY_FILE" ]; then mv "$file" "$file.unused"; fi
    done
    install -d "$(dirname "$REPOSITORY_FILE")"
    printf %s "$REPOSITORY" >"$REPOSITORY_FILE"
fi
# What a power-off in the middle of an installation has left, and apt refuses to go on beside. Who else is at work holds
# the lock, and then nothing is left; what cannot be mended is told by the installation that follows.
if command -v dpkg >/dev/null; then
    dpkg --configure -a || true
fi
read -ra command <<<"$REFRESH"
# The image's own daily update may hold the index for a while.
for attempt in {1..12}; do
    if "${command[@]}"; then break; fi
    [ "$attempt" -lt 12 ] || exit 1
    sleep 10
done
if [ -z "$MIRROR" ] && [ -n "$PROJECT_SETUP" ]; then
    bash -euc "$PROJECT_SETUP"
fi
