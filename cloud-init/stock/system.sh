#!/usr/bin/env bash
# The data disk, and what a stock image has otherwise than the lab's programs expect. Needs: DATA_FOLDER.
set -euo pipefail
install -d "$DATA_FOLDER"
# A blank disk gets its file system; one that has data, from a machine before this one, is left alone.
blkid /dev/vdb >/dev/null || mkfs.ext4 -q /dev/vdb
grep -q "^/dev/vdb " /etc/fstab || echo "/dev/vdb $DATA_FOLDER ext4 defaults,noatime,nofail 0 0" >>/etc/fstab
mountpoint -q "$DATA_FOLDER" || mount "$DATA_FOLDER"
# Whoever gets in by ssh after a reboot finds it mounted; one that fails keeps nobody out. Debian's family and the
# enterprise one call the service differently.
for service in ssh sshd; do
    install -d "/etc/systemd/system/$service.service.d"
    printf '[Unit]\nAfter=var-lib-pgpool\\x2dlab.mount\n' >"/etc/systemd/system/$service.service.d/data-disk.conf"
done
# The lab's services and folders are not in any distribution's SELinux policy.
if [ -e /etc/selinux/config ]; then
    setenforce 0 2>/dev/null || true
    sed -i 's/^SELINUX=enforcing/SELINUX=permissive/' /etc/selinux/config
fi
# A firewall that an image brings keeps the nodes from each other.
if systemctl is-enabled --quiet firewalld.service 2>/dev/null; then
    systemctl disable --now firewalld.service
fi
# Where sudo's rules name it.
[ -e /usr/bin/ss ] || ln -s /usr/sbin/ss /usr/bin/ss
