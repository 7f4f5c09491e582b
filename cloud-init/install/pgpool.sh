#!/usr/bin/env bash
# Compiles pgpool-II into /usr/local/pgpool, owned by postgres (steps S0 to S2 of the procedure).
# Needs: PGPOOL_VERSION, PGPOOL_TARBALL, PGPOOL_CONFIGURE (options), INSTALL_PACKAGES (a command), BUILD_PACKAGES,
# POSTGRESQL_BIN (may hold pg_config). PGPOOL_CFLAGS is for releases that a present compiler takes only with flags of
# their own. PURGE_BUILD_TOOLS=1 takes the compiler away again, but for RUNTIME_PACKAGES: on Debian's family only.
# Run by the image builder and, on a stock image, by cloud-init.
set -euo pipefail
prefix=/usr/local/pgpool
if "$prefix/bin/pgpool" --version 2>&1 | grep -q "version $PGPOOL_VERSION "; then
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
[ "${PURGE_BUILD_TOOLS:-0}" = 0 ] || before=$(apt-mark showauto | sort)
read -ra installer <<<"$INSTALL_PACKAGES"
read -ra tools <<<"$BUILD_PACKAGES"
"${installer[@]}" "${tools[@]}"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
tar -xf "$PGPOOL_TARBALL" -C "$build" --strip-components=1
cd "$build"
# What is configured and reported is the version that was asked for. 3.2 has no PACKAGE_VERSION.
found=$(sed -nE "s/^ *(PACKAGE_)?VERSION='?([0-9.]+)'?$/\\2/p" configure | head -n 1)
if [ "$found" != "$PGPOOL_VERSION" ]; then
    echo "pgpool.version: the tarball holds pgpool-II ${found:-of an unknown version}, not $PGPOOL_VERSION" >&2
    exit 1
fi
read -ra options <<<"$PGPOOL_CONFIGURE"
# pg_config: in the path where Debian has it, in a folder of PostgreSQL's own elsewhere.
# No options at all: bash before 4.4, CentOS 7's, takes an empty array for one that is not set.
PATH=$PATH:$POSTGRESQL_BIN ./configure --prefix="$prefix" ${options[@]+"${options[@]}"} --disable-static \
    ${PGPOOL_CFLAGS:+CFLAGS="$PGPOOL_CFLAGS"}
make -j"$(nproc)"
make install
chown -R postgres:postgres "$prefix"
if [ "${PURGE_BUILD_TOOLS:-0}" = 1 ]; then
    # What pgpool is linked with stays: it was there before, or it is marked as wanted.
    read -ra runtime <<<"$RUNTIME_PACKAGES"
    apt-mark manual "${runtime[@]}" >/dev/null
    apt-mark auto "${tools[@]}" >/dev/null
    apt-get purge -y --auto-remove "${tools[@]}"
    comm -13 <(echo "$before") <(apt-mark showauto | sort) | sed 's/^/still installed: /'
fi
