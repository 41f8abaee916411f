# SPDX-License-Identifier: GPL-2.0
"""Devices named on the kernel command line are claimed by a plain modprobe at boot."""

import pytest
from lab.machine import Dom0
from lab.paths import MODULE

#: The first two root ports' devices, igb0 and nvme0. They are named before there is a dom0 to ask.
NAMED = ("0000:01:00.0", "0000:02:00.0")
CMDLINE = f"lab.drivers=n rust_pciback.hide=({NAMED[0]})({NAMED[1]})"


@pytest.mark.dom0("guest", "pvh", "pv", kernel=CMDLINE, seldom="pvh")
@pytest.mark.usefixtures("discard")
def test_claim_at_boot(dom0: Dom0) -> None:
    """The module is where modprobe finds it; native drivers come later and leave its devices alone."""
    assert (dom0.bdf("igb0"), dom0.bdf("nvme0")) == NAMED
    dom0.put(MODULE, "/tmp/rust_pciback.ko")  # noqa: S108 # in dom0
    dom0.check(
        "d=/lib/modules/$(uname -r)/updates; mkdir -p $d; mv /tmp/rust_pciback.ko $d; depmod; modprobe rust_pciback"
    )
    dom0.check("cat /sys/bus/pci/devices/*/modalias | sort -u | while read -r a; do modprobe -q $a; done; true")
    drivers = {
        name: dom0.run(f"basename $(readlink /sys/bus/pci/devices/{dom0.bdf(name)}/driver)").out.strip()
        for name in ("igb0", "nvme0", "e1000e0")
    }
    assert drivers == {"igb0": "pciback", "nvme0": "pciback", "e1000e0": "e1000e"}
