"""What a machine's own volumes have in common: they hold private keys, and its data."""

from __future__ import annotations

from pathlib import Path

import pulumi_libvirt as libvirt

SHEET = Path(__file__).with_name("owner_only.xsl").read_text()
"""The provider makes files that everybody may read (volume_def.go, newDefVolume). libvirt makes who runs the machine
their owner while it runs. It has no comments, since any change of it replaces the machines."""

OWNER_ONLY = libvirt.VolumeXmlArgs(xslt=SHEET)
"""As an argument of a volume."""
