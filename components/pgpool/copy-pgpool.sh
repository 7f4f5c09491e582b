#!/usr/bin/env bash
# Copies pgpool's programs from the node `source` to this one, as the service account, which the key mesh lets in in any
# case. Nothing is done where `version` is here already. Configuration stays what it is on each node.
# Given: source, prefix, version, seconds (how long the copy may take).
set -euo pipefail
: "${source:?}" "${prefix:?}" "${version:?}" "${seconds:?}"
log=/var/log/pgpool-lab/pgpool-copy.log
exec 9>/run/lock/pgpool-lab-copy.lock
flock --timeout "$seconds" 9 || { echo "another copy of pgpool goes on on $(hostname)" >&2; exit 1; }
say() {
    echo "$(date -u +%FT%TZ) $*" >>"$log"
}
fail() {
    say "failed: $*"
    echo "pgpool cannot be copied from $source to $(hostname): $*; log: $log on $(hostname)" >&2
    exit 1
}
has_version() {
    "$1/bin/pgpool" --version 2>&1 | grep -q "version $version "
}
if has_version "$prefix"; then
    say "version $version is here"
    exit 0
fi
say "copying version $version from $source"
new=$prefix.new
rm -rf "$new"
install -d -o postgres -g postgres "$new" "$new/etc"
timeout "$seconds" runuser -u postgres -- ssh -n -o BatchMode=yes -o ConnectTimeout=20 "postgres@$source" \
    tar -C "$prefix" -cf - --exclude=./etc . 2>>"$log" | tar -C "$new" -xf - 2>>"$log" || fail "see the log"
chown -R postgres:postgres "$new"
# Some of them are scripts, for which ldd fails.
missing=$({ ldd "$new"/bin/* 2>/dev/null || true; } | awk '/not found/ { print $1 }' | sort -u | paste -sd' ')
# pgpool's own library is found below the place where it will be.
missing=$(for library in $missing; do [ -e "$new/lib/$library" ] || echo "$library"; done | paste -sd' ')
[ -z "$missing" ] || fail "libraries are missing here: $missing"
has_version "$new" || fail "what came is not version $version"
[ ! -d "$prefix/etc" ] || cp -a "$prefix/etc/." "$new/etc/"
rm -rf "$prefix"
mv "$new" "$prefix"
say "done"
