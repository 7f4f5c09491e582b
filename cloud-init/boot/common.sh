#!/usr/bin/env bash
# What every node's image has, whatever its boot: sshd for keys only, and the data disk. Run in the new root.
set -euo pipefail
cat >/etc/ssh/sshd_config.d/pgpool-lab.conf <<'END'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
# Sessions by key need neither: they cost a second each on an emulated processor.
UsePAM no
UseDNS no
# The check of the key mesh opens many connections at once.
MaxStartups 100
END
# Whoever gets in by ssh finds the data disk mounted; one that fails keeps nobody out.
install -d /etc/systemd/system/ssh.service.d
printf '[Unit]\nAfter=var-lib-pgpool\\x2dlab.mount\n' >/etc/systemd/system/ssh.service.d/data-disk.conf
# A blank data disk gets its file system; one that has data is left alone (systemd.mount(5), x-systemd.makefs).
install -d /var/lib/pgpool-lab
cat >>/etc/fstab <<'END'
/dev/vdb /var/lib/pgpool-lab ext4 defaults,noatime,nofail,x-systemd.makefs 0 0
END
