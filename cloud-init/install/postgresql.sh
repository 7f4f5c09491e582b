#!/usr/bin/env bash
# Installs PostgreSQL without making or starting a cluster: the distribution's packages, or an archive of binaries.
# Needs: POSTGRESQL_VERSION; for an archive POSTGRESQL_PREFIX and POSTGRESQL_ARCHIVE, a tar file with bin/, lib/, share/.
# Run by the image builder and, on a stock image, by cloud-init.
set -euo pipefail
install -d /etc/postgresql-common
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
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
elif [ ! -x "/usr/lib/postgresql/$POSTGRESQL_VERSION/bin/postgres" ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends "postgresql-$POSTGRESQL_VERSION"
fi
systemctl disable postgresql.service 2>/dev/null || true
# sshd refuses accounts whose password is locked; this one has none that fits, and keys are another matter.
usermod --password '*' --shell /bin/bash postgres
install -d -o postgres -g postgres /var/log/pgpool-lab
