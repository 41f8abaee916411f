# SPDX-License-Identifier: GPL-2.0
"""A report of a real machine (tests/dom0/run) says nothing by which the machine could be told."""

import subprocess
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]

#: As `lspci -vv` writes it (pciutils, ls-vpd.c and ls-ecaps.c).
DEVICE = """\
03:00.0 Ethernet controller: Example Corporation Card (rev 01)
\tCapabilities: [e0] Vital Product Data
\t\tProduct Name: Card
\t\tRead-only fields:
\t\t\t[PN] Part number: G12345-001
\t\t\t[EC] Engineering changes: SECRET1
\t\t\t[SN] Serial number: SECRET2
\t\t\t[V0] Vendor specific: SECRET3
\t\t\t[RV] Reserved: checksum good, 1 byte(s) reserved
\t\tRead/write fields:
\t\t\t[YA] Asset tag: SECRET4
\t\t\t[Y1] System specific: SECRET5
\tCapabilities: [140 v1] Device Serial Number 00-1b-21-ff-ff-SE-CR-E6
\tKernel driver in use: example
nvme nvme0: SECRET/7.* of 52:54:00:12:34:56
"""
PUBLIC = """\
03:00.0 Ethernet controller: Example Corporation Card (rev 01)
\tCapabilities: [e0] Vital Product Data
\t\tProduct Name: Card
\t\tRead-only fields:
\t\t\t[PN] Part number: G12345-001
\t\tRead/write fields:
\tKernel driver in use: example
nvme nvme0: SERIAL of xx:xx:xx:xx:xx:xx
"""


def test_report_is_public(tmp_path: Path) -> None:
    """Serial numbers, of NVMe devices too, and what vendors have in their own fields."""
    disk = tmp_path / "0000:04:00.0/nvme/nvme0"
    disk.mkdir(parents=True)
    (disk / "serial").write_text("SECRET/7.*          \n")
    script = ". tests/dom0/lib/public.sh; public"
    environment = {"PATH": "/usr/bin:/bin", "PCI": str(tmp_path), "tmp": str(tmp_path)}
    done = subprocess.run(
        ["sh", "-c", script], cwd=REPO, input=DEVICE, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == PUBLIC
