# SPDX-License-Identifier: GPL-2.0
"""What another toolstack does about devices: xenopsd's writes and calls, each with where it is from."""

import pytest
from lab.endpoint import E1000E, IGB, NVME, Endpoint
from lab.guest import Guest
from lab.machine import Dom0
from lab.paths import DEBUG, REPO
from lab.pciback import DEVICES, DRIVER, give_back, works_by_msix
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
    """A slot, then a bind; a reset; an unbind, then the slot is taken off.

    (PCI.bind and PCI.unbind_from_pciback of device.ml, see tests/vm/src/xenopsd.py.)
    """
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
    # By this file where there is one (PCI.do_flr).
    dom0.check(f"printf 1 >{device}/reset")
    dom0.check(f"printf {bdf} >{device}/driver/unbind")
    dom0.check(f"printf {bdf} >{DRIVER}/remove_slot")
    assert bdf not in dom0.check(f"cat {DRIVER}/slots")
    dom0.check(f"printf {bdf} >{BUS}/drivers_probe")
    assert endpoint.in_dom0(dom0) == identity
    stub.unload(dom0)


def xenopsd(dom0: Dom0, *arguments: object) -> None:
    """Do what xenopsd does."""
    words = " ".join(map(str, arguments))
    dom0.check(f"PYTHONPATH=$(echo /usr/lib/xen-*/lib/python) python3 /root/xenopsd.py {words}", 120)


@pytest.mark.tier("all")
@pytest.mark.parametrize("kind", ["hvm", "pv"])
@pytest.mark.dom0("guest", "pv", xl=True)
def test_xenopsd_and_a_domain(dom0: Dom0, kind: str) -> None:
    """A device for a running domain, and its end, by tests/vm/src/xenopsd.py.

    (test_books.py has more of what it writes to xenstore.)
    """
    identity, bdf = IGB.in_dom0(dom0), dom0.bdf(IGB.name)
    dom0.put(REPO / "tests" / "vm" / "src" / "xenopsd.py", "/root/xenopsd.py")
    RUST.load(dom0)
    # What xl sets for one that has devices from the start.
    guest = Guest(dom0, "xapi", kind=kind, config='passthrough = "enabled"\ne820_host = 1').create()
    xenopsd(dom0, "plug", guest.domid, kind, bdf)
    guest.wait(f"grep -q {IGB.vendor}{IGB.device} /proc/bus/pci/devices")
    slot = IGB.in_guest(guest)
    assert IGB.identity(guest, slot) == identity
    assert IGB.use(guest, slot) > 0
    assert IGB.interrupt_mode(guest, slot) == "msi-x"
    assert dom0.check(f"cat {DEVICES}/{bdf}/pciback/used_by").strip() == str(guest.domid)
    if kind == "pv":
        xenopsd(dom0, "unplug", guest.domid, bdf)
        guest.wait(f"! grep -q {IGB.vendor}{IGB.device} /proc/bus/pci/devices")
        RUST.wait_idle(dom0, bdf)
    xenopsd(dom0, "destroy", guest.domid)
    guest.wait_gone()
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    xenopsd(dom0, "dequarantine", bdf)
    for file in ("unbind", "remove_slot"):
        dom0.check(f"printf {bdf} >{DRIVER}/{file}")
    give_back(dom0, bdf)
    assert IGB.in_dom0(dom0) == identity
    works_by_msix(dom0, bdf)
    RUST.unload(dom0)
