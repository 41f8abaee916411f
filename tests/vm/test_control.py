# SPDX-License-Identifier: GPL-2.0
"""What the C driver of the same kernel does with the same devices.

These are the controls: they keep the claims honest that this driver does better, and
fail when the C driver (or Xen) has been mended, so that the claims can go.
"""

import pytest
from lab.agent import AgentError
from lab.machine import Dom0

DRIVER = "/sys/bus/pci/drivers/pciback"


def bind(dom0: Dom0, bdf: str) -> str:
    """Try a claim with the driver that is loaded; returns what bind answers."""
    return dom0.run(
        f"echo {bdf} >{DRIVER}/new_slot; d=/sys/bus/pci/devices/{bdf};"
        f"[ ! -e $d/driver ] || echo {bdf} >$d/driver/unbind;"
        f"printf {bdf} | /tests/pbtool write {DRIVER}/bind"
    ).out.strip()


@pytest.mark.klog_allow("existing mapping", "unlocked secondary bus reset", "kmemleak")
@pytest.mark.dom0("main")
@pytest.mark.usefixtures("discard")
def test_c_driver_cannot_claim_msix_in_pvh(dom0: Dom0) -> None:
    """FLR and MSI-X in a PVH dom0: EEXIST (17). No pin: EINVAL (22). Each such claim leaks memory."""
    dom0.check("modprobe xen-pciback")
    assert bind(dom0, dom0.bdf("igb0")) == "17"
    assert bind(dom0, dom0.bdf("nvme0")) == "17"
    assert bind(dom0, dom0.bdf("testdev0")) == "22"


@pytest.mark.klog_allow("Setup of vPCI failed: -19", "DEVICE BUG", "FATAL", "Panic on CPU", "Manual reset required")
@pytest.mark.tier("all")
@pytest.mark.dom0("vfs")
@pytest.mark.usefixtures("discard")
def test_c_driver_and_a_vf_take_the_host_down(dom0: Dom0) -> None:
    """A virtual function in a PVH dom0 crashes Xen itself."""
    pf = dom0.bdf("igb0")
    dom0.check(f"modprobe xen-pciback; echo 1 >/sys/bus/pci/devices/{pf}/sriov_numvfs")
    vf = dom0.check(f"basename $(readlink -f /sys/bus/pci/devices/{pf}/virtfn0)").strip()
    with pytest.raises(AgentError):
        bind(dom0, vf)
    assert not dom0.alive
