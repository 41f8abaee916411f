# SPDX-License-Identifier: GPL-2.0
"""What other toolstacks do about devices: xenopsd's and Qubes' writes and calls, each with where it is from."""

import re

import pytest
from lab.endpoint import E1000E, IGB, NVME, Endpoint
from lab.guest import Guest
from lab.libvirt import VIRSH, LibvirtGuest, libvirtd, node_device
from lab.machine import Dom0
from lab.paths import DEBUG, REPO
from lab.pciback import DEVICES, DRIVER, give_back, works_by_msix
from lab.stub import RUST, C, Stub, driver

BUS = "/sys/bus/pci"
IN_BOTH = pytest.mark.dom0("guest", "pvh", "pv", xl=True, seldom="pvh")
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
    # (Not xenopsd's: the administrator's.)
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


#: QubesOS/qubes-core-admin, templates/libvirt/devices/pci.xml, commit 1ad5f9b84dc1, with all of its options. Stock
#: libvirt takes no notice of `nostrictreset` and `powerManagementFiltering`.
QUBES_DEVICE = """
<hostdev type="pci" managed="yes" nostrictreset="yes">
  <source writeFiltering="no" powerManagementFiltering="no">
    <address domain="0x{}" bus="0x{}" slot="0x{}" function="0x{}" />
  </source>
</hostdev>
"""


def attached_devices(dom0: Dom0) -> dict[str, str]:
    """By their addresses, the names of the domains that have devices (attached_devices() of
    QubesOS/qubes-core-admin, qubes/ext/pci.py, commit 1ad5f9b84dc1)."""
    found = {}
    for domain in dom0.check("xenstore-list backend/pci 2>/dev/null; true").split():
        for device in dom0.check(f"xenstore-list backend/pci/{domain}").split():
            path = f"backend/pci/{domain}/{device}"
            name = dom0.check(f"xenstore-read {path}/domain").strip()
            for index in range(int(dom0.check(f"xenstore-read {path}/num_devs"))):
                found[dom0.check(f"xenstore-read {path}/dev-{index}").strip()] = name
    return found


@pytest.mark.tier("all")
@pytest.mark.dom0("guest", "pv", xl=True)
def test_qubes(dom0: Dom0) -> None:
    """A device that is hidden at boot, attached to a running domain, and detached.

    Qubes' libvirt and libxl are patched and its domains have stub domains, for which it opens
    allow_interrupt_control: test_a_guest_that_may_turn_on_interrupts of test_pv_frontend.py has that.
    """
    identity, bdf = IGB.in_dom0(dom0), dom0.bdf(IGB.name)
    RUST.load(dom0)
    # QubesOS/qubes-core-admin-linux, dracut/modules.d/90qubes-pciback/qubes-pciback.sh, commit a571230c757a.
    dom0.check(
        f'set -e; BDF={bdf}; D={DEVICES}/$BDF; if [ -e "$D/driver" ]; then echo -n "$BDF" >"$D/driver/unbind"; fi;'
        f' echo -n "$BDF" >{DRIVER}/new_slot; echo -n "$BDF" >{DRIVER}/bind'
    )
    with libvirtd(dom0):
        guest = LibvirtGuest(dom0, "sys-net").create()
        # From here on qubes-core-admin, qubes/ext/pci.py: bind_pci_to_pciback(), on_device_pre_attached_pci().
        dom0.check(f"{VIRSH} nodedev-detach {node_device(bdf)}")
        assert driver(dom0, bdf) == "pciback"
        element = QUBES_DEVICE.format(*re.split("[:.]", bdf))
        guest.plug(element)
        slot = IGB.in_guest(guest)
        assert IGB.identity(guest, slot) == identity
        assert IGB.use(guest, slot) > 0
        assert IGB.interrupt_mode(guest, slot) == "msi-x"
        assert attached_devices(dom0) == {bdf: "sys-net"}
        assert dom0.check(f"cat {DRIVER}/permissive").split() == [bdf]
        # on_device_pre_detached_pci(); and the service that it calls: QubesOS/qubes-core-agent-linux,
        # qubes-rpc/qubes.DetachPciDevice, commit a37fac93dca6.
        listed = dom0.check(f"xl pci-list {guest.domid}")
        (found,) = re.findall(rf"^(\d+.\d+)\s+{bdf}$", listed, re.MULTILINE)
        guest.check(f"BDF=0000:00:{found}; echo $BDF >/sys/bus/pci/devices/$BDF/driver/unbind")
        guest.unplug(element)
        guest.wait(f"! grep -q {IGB.vendor}{IGB.device} /proc/bus/pci/devices")
        assert attached_devices(dom0) == {}
        RUST.wait_idle(dom0, bdf)
        assert dom0.check(f"cat {DRIVER}/permissive").split() == []
        guest.destroy()
    # Stock libvirt doesn't give it back, as the element doesn't say <driver name='xen'/> (test_tck of
    # test_libvirt.py).
    assert driver(dom0, bdf) == "pciback"
    RUST.check_clean(dom0, bdf)
    dom0.check(f"xl pci-assignable-remove {bdf}")
    give_back(dom0, bdf)
    assert IGB.in_dom0(dom0) == identity
    works_by_msix(dom0, bdf)
    RUST.unload(dom0)
