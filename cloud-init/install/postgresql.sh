#!/usr/bin/env bash
# Makes PostgreSQL ready without making or starting a cluster: from packages, or from an archive of binaries.
# Needs: POSTGRESQL_VERSION, POSTGRESQL_SERVICE; for an archive POSTGRESQL_PREFIX and POSTGRESQL_ARCHIVE, a tar file with
# bin/, lib/, share/; for packages DATA_DIRECTORY, and DATA_LINK, where they would keep data. INSTALL_PACKAGES installs
# NODE_PACKAGES, which are a node's where the root does not have them yet.
# Run by the image builder and, on a stock image, by cloud-init.
set -euo pipefail
install -d /etc/postgresql-common
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
if [ -n "${NODE_PACKAGES:-}" ]; then
    # Packages keep an account that is there: its home is the same on every distribution.
    getent passwd postgres >/dev/null ||
        useradd --system --user-group --create-home --home-dir /var/lib/postgresql postgres
    read -ra installer <<<"$INSTALL_PACKAGES"
    read -ra packages <<<"$NODE_PACKAGES"
    DEBIAN_FRONTEND=noninteractive "${installer[@]}" "${packages[@]}"
fi
if [ -n "${POSTGRESQL_PREFIX:-}" ]; then
    install -d "$POSTGRESQL_PREFIX"
    tar -xf "$POSTGRESQL_ARCHIVE" -C "$POSTGRESQL_PREFIX" --no-same-owner
    # It must run here, and be the version that was asked for.
    found=$(setpriv --reuid postgres --regid postgres --clear-groups "$POSTGRESQL_PREFIX/bin/postgres" --version)
    case "$found" in
        *" $POSTGRESQL_VERSION" | *" $POSTGRESQL_VERSION."*) ;;
        *)
            echo "postgresql.version: the archive holds '$found', not PostgreSQL $POSTGRESQL_VERSION" >&2
            exit 1
            ;;
    esac
fi
if [ -n "${DATA_LINK:-}" ]; then
    # Whoever looks where the packages keep data finds the lab's. Some of them bring an empty folder.
    install -d -o postgres -g postgres "$(dirname "$DATA_LINK")"
    rmdir "$DATA_LINK" 2>/dev/null || true
    ln -sfn "$DATA_DIRECTORY" "$DATA_LINK"
fi
systemctl disable "$POSTGRESQL_SERVICE" 2>/dev/null || true
# sshd refuses accounts whose password is locked; this one has none that fits, and keys are another matter.
usermod --password '*' --shell /bin/bash postgres
install -d -o postgres -g postgres /var/log/pgpool-lab
