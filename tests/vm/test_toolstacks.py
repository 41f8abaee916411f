# SPDX-License-Identifier: GPL-2.0
"""The orders in which other toolstacks take devices and give them back, as writes to sysfs."""

import pytest
from lab.endpoint import E1000E, IGB, NVME, Endpoint
from lab.machine import Dom0
from lab.paths import DEBUG
from lab.pciback import DRIVER
from lab.stub import RUST, C, Stub

BUS = "/sys/bus/pci"
IN_BOTH = pytest.mark.dom0("guest", "pvh", "pv", xl=True)
#: In a PVH dom0 the C driver can claim no device that has both FLR and MSI-X.
BY_RUST = [(RUST, IGB), (RUST, NVME), (RUST, E1000E)]
CASES = [*BY_RUST, pytest.param(C, E1000E, marks=pytest.mark.c_driver)]
EACH = pytest.mark.parametrize(("stub", "endpoint"), CASES, ids=lambda value: value.name)


@EACH
@IN_BOTH
@pytest.mark.klog_allow("unlocked secondary bus reset")
def test_xenopsd(dom0: Dom0, stub: Stub, endpoint: Endpoint) -> None:
    """A slot, then a bind whatever came of it; an unbind, then the slot is taken off."""
    if endpoint.is_disk and DEBUG == "kasan":
        pytest.skip("with late releases a disk whose driver is back within a second has no namespace (the kernel's)")
    identity, bdf = endpoint.in_dom0(dom0), dom0.bdf(endpoint.name)
    device = f"{BUS}/devices/{bdf}"
    stub.load(dom0)
    dom0.check(f"printf {bdf} >{device}/driver/unbind")
    dom0.check(f"printf {bdf} >{DRIVER}/new_slot")
    dom0.check(f"printf {bdf} >{DRIVER}/bind")
    assert dom0.check(f"readlink {device}/driver").strip().endswith("pciback")
    assert bdf in dom0.check(f"cat {DRIVER}/slots")
    # It resets the device before a guest gets it: by this file where there is one.
    dom0.check(f"printf 1 >{device}/reset")
    dom0.check(f"printf {bdf} >{device}/driver/unbind")
    dom0.check(f"printf {bdf} >{DRIVER}/remove_slot")
    assert bdf not in dom0.check(f"cat {DRIVER}/slots")
    dom0.check(f"printf {bdf} >{BUS}/drivers_probe")
    assert endpoint.in_dom0(dom0) == identity
    stub.unload(dom0)
