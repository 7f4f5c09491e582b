#!/usr/bin/env bash
# What makes a Debian root a cloud image that boots: run in the new root, of every image.
set -euo pipefail
rm -f /etc/ssh/ssh_host_*
cat >/etc/fstab <<'END'
/dev/vda1 / ext4 defaults,noatime 0 0
END
# The one program here that can apply a network configuration.
systemctl enable systemd-networkd.service
: >/etc/machine-id
install -d /boot/extlinux
cat >/boot/extlinux/extlinux.conf <<'END'
DEFAULT linux
PROMPT 0
TIMEOUT 0
LABEL linux
  KERNEL /vmlinuz
  INITRD /initrd.img
  APPEND root=/dev/vda1 rw quiet loglevel=3 console=ttyS0 net.ifnames=0 mitigations=off random.trust_cpu=on no_timer_check
END
