"""What the private libvirt is told: its files, its folders, and the account that QEMU runs as."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.paths import LabPaths

KVM = Path("/dev/kvm")

SOCKET_PATH_BYTES = 107
"""unix(7): sun_path holds 108 bytes, the last of which is the terminating zero."""

QEMU_NAME = "libvirt-qemu"
UNPRIVILEGED = 64055
"""User and group id that Debian reserves for libvirt-qemu: it need not be in /etc/passwd to be run as."""

LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
unix_sock_admin_perms = "0700"
"""
"""Only root may use the socket. Without --listen the daemon opens no TCP port."""


@dataclass(frozen=True)
class Account:
    """Numeric user and group id of the QEMU processes."""

    user: int
    group: int


@dataclass(frozen=True)
class DeviceAccess:
    """Owner, group and permission bits of /dev/kvm."""

    user: int
    group: int
    mode: int


def qemu_account(unprivileged: Account, kvm: DeviceAccess | None) -> Account:
    """The unprivileged account, or root where KVM works and only root may open /dev/kvm.

    `kvm` is None when the machines are emulated. libvirt starts QEMU without changing that device's permissions.
    """
    if kvm is None:
        return unprivileged
    granted = (
        (kvm.user == unprivileged.user and kvm.mode & stat.S_IRUSR and kvm.mode & stat.S_IWUSR)
        or (kvm.group == unprivileged.group and kvm.mode & stat.S_IRGRP and kvm.mode & stat.S_IWGRP)
        or (kvm.mode & stat.S_IROTH and kvm.mode & stat.S_IWOTH)
    )
    return unprivileged if granted else Account(0, 0)


def unprivileged_account() -> Account:
    """The distribution's account for QEMU, with the group that udev gives /dev/kvm to."""
    try:
        user = pwd.getpwnam(QEMU_NAME).pw_uid
    except KeyError:
        user = UNPRIVILEGED
    try:
        group = grp.getgrnam("kvm").gr_gid
    except KeyError:
        group = UNPRIVILEGED
    return Account(user, group)


def kvm_access() -> DeviceAccess:
    status = KVM.stat()
    return DeviceAccess(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


def qemu_conf(account: Account) -> str:
    """Settings of this instance only: it has no security driver, cgroups, udev or virtlogd of its own to talk to.

    A name that starts with `+` is a number (comments in libvirt's qemu.conf).
    """
    return f"""\
user = "+{account.user}"
group = "+{account.group}"
security_driver = "none"
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""


def folders(lab: LabPaths) -> dict[str, Path]:
    """What the daemon sees where the distribution's daemon has its own folders.

    It sees the lab's runtime folder as /run: its sockets are there, while the host's system bus, through which it
    would register machines with the host's systemd and bridges with its firewall, is not.
    """
    return {
        "/etc/libvirt": lab.libvirt / "etc",
        "/var/lib/libvirt": lab.libvirt / "lib",
        "/var/cache/libvirt": lab.libvirt / "cache",
        "/var/log/libvirt": lab.libvirt / "log",
        "/run": lab.runtime,
    }


def covers(lab: LabPaths) -> dict[str, Path]:
    """Files that the daemon may see in place of the host's; only those that exist are put there.

    /dev/kvm: an empty file where machines are emulated. Otherwise libvirt examines QEMU anew before each operation,
    four seconds each: it probes with a capability that lets it open the device and then finds that QEMU's account
    may not (qemuProcessQMPLaunch and virQEMUCapsIsValid in libvirt's sources).

    /etc/passwd and /etc/group: with the distribution's account for QEMU, where it does not exist. The daemon does not
    start without it, even though its settings give a number.
    """
    return {
        str(KVM): lab.runtime / "no-kvm",
        "/etc/passwd": lab.runtime / "passwd",
        "/etc/group": lab.runtime / "group",
    }


def with_entry(database: str, entry: str) -> str:
    """A passwd(5) or group(5) file with one entry more; empty when it has an entry of that name."""
    name = entry.partition(":")[0]
    if any(line.partition(":")[0] == name for line in database.splitlines()):
        return ""
    return f"{database.rstrip()}\n{entry}\n"


def cover_texts(account: Account, emulated: bool, passwd: str, group: str) -> dict[str, str | None]:
    """What to put in place of the host's files; None where the host's own do."""
    user = f"{QEMU_NAME}:x:{account.user}:{account.group}::/var/lib/libvirt:/usr/sbin/nologin"
    return {
        str(KVM): "" if emulated else None,
        "/etc/passwd": with_entry(passwd, user) or None,
        "/etc/group": with_entry(group, f"{QEMU_NAME}:x:{UNPRIVILEGED}:") or None,
    }


def packaged_folders(lab: LabPaths) -> list[Path]:
    """Folders that the distribution's package ships, since the daemon does not make them itself."""
    return [lab.libvirt / "lib" / "dnsmasq", lab.libvirt / "lib" / "images", lab.libvirt / "log" / "qemu"]


def socket(lab: LabPaths) -> Path:
    """The daemon's socket, by its path outside the daemon's mount namespace.

    Raises LabError when the path is longer than a Unix socket's may be.
    """
    path = lab.runtime / "libvirt" / "libvirt-sock"
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        raise LabError(
            f"the stack's name {lab.stack!r} is too long: {path} would exceed {SOCKET_PATH_BYTES} bytes",
            "give the stack a shorter name",
        )
    return path


def uri(lab: LabPaths) -> str:
    """How clients reach the private libvirt; they need not enter any namespace."""
    return f"qemu:///system?socket={socket(lab)}"
