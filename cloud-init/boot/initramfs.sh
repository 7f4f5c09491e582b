#!/usr/bin/env bash
# An initial RAM disk that only loads the disk's drivers and mounts the root: the distribution's starts udev for that,
# which takes seconds on an emulated processor. Run by the image builder in the new root.
set -euo pipefail
kernel=$(basename /lib/modules/*)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
install -d "$tree"/{bin,dev,modules,root}
install /bin/busybox "$tree/bin/busybox"
cat >"$tree/init" <<'END'
#!/bin/busybox sh
busybox=/bin/busybox
$busybox mount -t devtmpfs dev /dev
while read -r module; do
    $busybox insmod "/modules/$module"
done </modules/order
until [ -b /dev/vda1 ]; do $busybox sleep 0.1; done
$busybox mount -t ext4 -o noatime /dev/vda1 /root
# Where the host is busy, the kernel may take a wrong frequency for its clock, which goes several times as fast for good
# then (arch/x86/kernel/tsc.c, pit_hpet_ptimer_calibrate_cpu()). Another start takes it anew.
attempts=/root/var/lib/clock-attempts
if $busybox dmesg | $busybox grep -q 'PIT calibration deviates'; then
    printf x >>$attempts
    if [ "$($busybox wc -c <$attempts)" -lt 5 ]; then
        $busybox umount /root
        $busybox reboot -f
    fi
fi
$busybox rm -f $attempts
$busybox umount /dev
exec $busybox switch_root /root /sbin/init
END
chmod 755 "$tree/init"
for driver in virtio_pci virtio_blk; do
    modprobe --set-version "$kernel" --show-depends "$driver"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
    while read -r module; do
        install -m 644 "$module" "$tree/modules/"
        basename "$module" >>"$tree/modules/order"
    done
(cd "$tree" && find . | cpio --quiet --create --format=newc) >/boot/pgpool-lab.cpio
