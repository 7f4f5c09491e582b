#!/usr/bin/env bash
# Takes out of a Debian root what a node does not need on its way to ssh. Run by the image builder in the new root.
# Every second counts fifteenfold where the processor is emulated.
set -euo pipefail
units=/etc/systemd/system

# cloud-init in one stage: all that is configured can be done before the network is up.
cat >/etc/cloud/cloud.cfg.d/90-pgpool-lab.cfg <<'END'
datasource_list: [NoCloud]
# The seed is mounted by its label (see below), no device needs to be searched for it.
datasource: {NoCloud: {fs_label: null}}
disable_root: false
cloud_init_modules: [write_files, set_hostname]
cloud_config_modules: []
cloud_final_modules: []
output: {all: '>> /var/log/cloud-init-output.log'}
system_info:
  network:
    renderers: [networkd]
END
sed -i 's/level=DEBUG/level=INFO/' /etc/cloud/cloud.cfg.d/05_logging.cfg
install -d /var/lib/cloud/seed/nocloud /usr/local/lib/pgpool-lab
cat >/usr/local/lib/pgpool-lab/first-boot.py <<'END'
"""cloud-init without the libraries that a seed on a disk does not need.

Importing them takes longer on an emulated processor than all the work: cloud-init does without jsonschema (checks of
the configuration) and jinja2 (templates) where they are not installed, and uses requests only for seeds on a network.
The rest is imported while the drive with the seed is still being found.
"""
import os.path
import sys
import time
import types

sys.modules["jsonschema"] = sys.modules["jinja2"] = None
for name in ("requests", "requests.exceptions"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__getattr__ = lambda attribute: type(attribute, (Exception,), {})
sys.modules["requests"].exceptions = sys.modules["requests.exceptions"]

from cloudinit.cmd.main import main

deadline = time.monotonic() + 90
while "--local" in sys.argv and not os.path.ismount("/var/lib/cloud/seed/nocloud") and time.monotonic() < deadline:
    time.sleep(0.05)
sys.exit(main())
END
chmod 644 /usr/local/lib/pgpool-lab/first-boot.py
# A cloud-init that needs them after all shows here and not on a node.
python3 /usr/local/lib/pgpool-lab/first-boot.py --version
install -d "$units/cloud-init-local.service.d"
cat >"$units/cloud-init-local.service.d/pgpool-lab.conf" <<'END'
[Unit]
# A seed never changes below a running machine: the machine is replaced with it.
ConditionPathExists=!/var/lib/cloud/pgpool-lab-seeded
Wants=var-lib-cloud-seed-nocloud.mount
[Service]
ExecStart=
ExecStart=/usr/bin/python3 /usr/local/lib/pgpool-lab/first-boot.py init --local
StandardOutput=journal
END
cat >"$units/pgpool-lab-seeded.service" <<'END'
[Unit]
Description=Remember that the seed was applied, once that is safely on the disk
After=ssh.service cloud-init-local.service
ConditionPathExists=!/var/lib/cloud/pgpool-lab-seeded
Requisite=cloud-init-local.service
[Service]
Type=oneshot
ExecStart=/usr/bin/sync --file-system /etc/hosts
ExecStart=/usr/bin/touch /var/lib/cloud/pgpool-lab-seeded
[Install]
WantedBy=multi-user.target
END
# What cloud-init's generator would do at every boot.
install -d "$units/multi-user.target.wants"
ln -s /lib/systemd/system/cloud-init-local.service "$units/multi-user.target.wants/"
systemctl enable pgpool-lab-seeded.service

# The root is mounted as it shall be by the initial RAM disk; the seed is read once.
sed -i '/^\/dev\/vda1 /d' /etc/fstab
echo '/dev/disk/by-label/cidata /var/lib/cloud/seed/nocloud iso9660 ro,noauto 0 0' >>/etc/fstab

# sshd must not start before its keys are written. Its configuration is checked when the image is built.
cat >"$units/ssh.service.d/pgpool-lab.conf" <<'END'
[Unit]
After=cloud-init-local.service
[Service]
ExecStartPre=
END

# Generators run one after the other's start, before anything else: only those that have something to find.
install -d /etc/systemd/system-generators
for path in /usr/lib/systemd/system-generators/*; do
    case ${path##*/} in
        systemd-fstab-generator | systemd-debug-generator) ;;
        *) ln -s /dev/null "/etc/systemd/system-generators/${path##*/}" ;;
    esac
done

systemctl set-default multi-user.target
systemctl mask \
    cloud-init.service cloud-config.service cloud-final.service cloud-init-hotplugd.socket \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer man-db.timer logrotate.timer systemd-tmpfiles-clean.timer \
    systemd-networkd-wait-online.service systemd-network-generator.service systemd-timesyncd.service \
    systemd-journal-flush.service systemd-journald-audit.socket systemd-initctl.socket \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-pstore.service \
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-sysusers.service systemd-udev-settle.service \
    systemd-repart.service systemd-firstboot.service systemd-random-seed.service systemd-modules-load.service \
    systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-logind.service \
    systemd-ask-password-console.path systemd-ask-password-wall.path \
    cryptsetup.target integritysetup.target veritysetup.target \
    getty@tty1.service getty-static.service serial-getty@ttyS0.service getty.target \
    keyboard-setup.service console-setup.service kmod-static-nodes.service \
    modprobe@drm.service modprobe@fuse.service modprobe@configfs.service modprobe@dm_mod.service \
    modprobe@loop.service modprobe@efi_pstore.service \
    dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-fs-fuse-connections.mount sys-kernel-config.mount
install -d /etc/systemd/journald.conf.d
# Nothing is audited. Not by audit=0 on the kernel's command line: sshd and sudo would then have the kernel look for a
# module of the audit's socket at every login and command, several processes each.
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\nAudit=no\n' >/etc/systemd/journald.conf.d/pgpool-lab.conf

# Disks and the network are found; the drivers of everything else that a virtual machine has are not loaded.
install -d "$units/systemd-udev-trigger.service.d"
cat >"$units/systemd-udev-trigger.service.d/pgpool-lab.conf" <<'END'
[Service]
ExecStart=
ExecStart=udevadm trigger --type=devices --action=add --subsystem-match=pci --subsystem-match=virtio --subsystem-match=block --subsystem-match=net
END

# An emulated processor does not promise a constant time stamp counter, and Linux then gives it up with more than one
# processor (tsc.c, unsynchronized_tsc). Every look at the clock would be one at an emulated device instead. QEMU derives
# all counters of a machine from one.
# QEMU keeps what it translated by address. At other addresses every time, a program would be translated anew whenever it
# starts: without their randomization the same one starts in a quarter of the time.
# Its string instructions go byte by byte; without erms Linux clears and copies pages by words.
sed -i -e 's|INITRD .*|INITRD /boot/pgpool-lab.cpio|' \
    -e 's|APPEND .*|& nokaslr apparmor=0 rcupdate.rcu_expedited=1 tsc=reliable norandmaps clearcpuid=erms|' /boot/extlinux/extlinux.conf
