"""Who may read a machine's volumes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

from components.node.volumes import SHEET

MADE = """<volume><name>node0-data.qcow2</name><capacity unit="bytes">1</capacity>
<target><format type="qcow2"></format><permissions><mode>644</mode></permissions></target></volume>"""
"""As the provider defines a volume."""


def test_only_its_owner_reads_a_volume_and_nothing_else_is_changed(tmp_path: Path) -> None:
    sheet, definition = tmp_path / "sheet.xsl", tmp_path / "volume.xml"
    sheet.write_text(SHEET)
    definition.write_text(MADE)
    done = subprocess.run(["xsltproc", "--nonet", sheet, definition], capture_output=True, text=True, check=True)
    changed, made = ElementTree.fromstring(done.stdout), ElementTree.fromstring(MADE)
    mode = changed.find("target/permissions/mode")
    assert mode is not None and mode.text == "600"
    mode.text = "644"
    assert ElementTree.tostring(changed) == ElementTree.tostring(made)
