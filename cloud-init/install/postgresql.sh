#!/usr/bin/env bash
# Installs the distribution's PostgreSQL without making or starting a cluster.
# Needs: POSTGRESQL_VERSION. Run by the image builder and, on a stock image, by cloud-init.
set -euo pipefail
install -d /etc/postgresql-common
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
if [ ! -x "/usr/lib/postgresql/$POSTGRESQL_VERSION/bin/postgres" ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends "postgresql-$POSTGRESQL_VERSION"
fi
systemctl disable postgresql.service 2>/dev/null || true
# sshd refuses accounts whose password is locked; this one has none that fits, and keys are another matter.
usermod --password '*' --shell /bin/bash postgres
install -d -o postgres -g postgres /var/log/pgpool-lab
