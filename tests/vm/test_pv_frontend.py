# SPDX-License-Identifier: GPL-2.0
"""PV guests with the stock frontend (xen-pcifront): what they see of their devices, and that these work."""

import re

import pytest
from lab.endpoint import E1000E, IGB, IGBVF, NVME, Endpoint
from lab.guest import Guest
from lab.machine import Dom0
from lab.pciback import DEVICES, DRIVER, give_back, works_by_msix
from lab.pv_rates import seen_by_guest
from lab.stub import RUST, C, Stub, config_space
from lab.until import until

#: In which the C driver can serve a PV guest. (In a PVH dom0 such a guest takes it down to a BUG.)
C_IN = ("guest", "pv")


def go(guest: Guest, endpoint: Endpoint) -> None:
    """Wait until the guest has it no more."""
    guest.wait(f"! grep -q {endpoint.vendor}{endpoint.device} /proc/bus/pci/devices")


def use(guest: Guest, endpoint: Endpoint, identity: str, mode: str) -> None:
    """The guest finds the device, with its native driver, and works with it."""
    slot = endpoint.in_guest(guest)
    assert endpoint.identity(guest, slot) == identity
    assert endpoint.use(guest, slot) > 0, "interrupts arrive"
    assert interrupt_mode(guest, endpoint, slot) == mode


def interrupt_mode(guest: Guest, endpoint: Endpoint, slot: str) -> str:
    """How its interrupts are delivered, by its configuration space and by the guest's own count."""
    mode = endpoint.interrupt_mode(guest, slot)
    kind = {"msi-x": "xen-pirq.*-msi-x", "msi": "xen-pirq.*-msi", "intx": "xen-pirq.*-pcifront"}[mode]
    name = endpoint.irq_name(guest, slot)
    assert guest.run(f"grep -E '{kind}.*{name}' /proc/interrupts").ok, guest.check("cat /proc/interrupts")
    return mode


def offset(dom0: Dom0, bdf: str, register: str) -> int:
    """Where a register of a capability is."""
    return int(dom0.check(f"setpci -v -s {bdf} {register} | sed 's/.*) @\\(.*\\) =.*/\\1/'"), 16)


def turn_mastering_on(dom0: Dom0, guest: Guest, endpoint: Endpoint) -> None:
    """A guest can, after a reset in dom0 has turned it off."""
    bdf, slot = dom0.bdf(endpoint.name), endpoint.in_guest(guest)
    dom0.check(f"setpci -s {bdf} COMMAND=0:4")
    command = int.from_bytes(guest.config_space(slot)[4:6], "little")
    assert command & 0x4 == 0
    low, high = (command | 0x4).to_bytes(2, "little")
    guest.check(
        f"printf '\\x{low:02x}\\x{high:02x}' | dd of=/sys/bus/pci/devices/{slot}/config bs=2 seek=2 conv=notrunc"
    )
    assert int(dom0.check(f"setpci -s {bdf} COMMAND"), 16) & 0x4
    assert guest.config_space(slot)[4] & 0x4


def life(dom0: Dom0, stub: Stub, first: Endpoint, late: list[Endpoint], cmdline: str = "", mode: str = "msi-x") -> None:
    """Create, use, attach, use, detach, attach again, use, destroy, give back, use in dom0."""
    everything = [first, *late]
    identity = {endpoint: endpoint.in_dom0(dom0) for endpoint in everything}
    bdf = {endpoint: dom0.bdf(endpoint.name) for endpoint in everything}
    stub.load(dom0)
    for endpoint in everything:
        dom0.check(f"xl pci-assignable-add {bdf[endpoint]}")
    before = {endpoint: config_space(dom0, bdf[endpoint]) for endpoint in everything}
    guest = Guest(dom0, "pv", [bdf[first]], cmdline=cmdline, kind="pv", cold=dom0.flavour == "pv").create()
    # With the C driver nvme can't turn MSI-X on a second time, and goes on with its pin.
    use(guest, first, identity[first], "intx" if stub is C and first is NVME else mode)
    for times, endpoint in enumerate([*late, *late]):
        guest.attach(bdf[endpoint])
        use(guest, endpoint, identity[endpoint], mode)
        if times < len(late):
            guest.detach(bdf[endpoint])
            go(guest, endpoint)
            stub.wait_idle(dom0, bdf[endpoint])
            stub.check_clean(dom0, bdf[endpoint])
    assert guest.run("! dmesg | grep 'pciback not responding'").ok, guest.check("dmesg")
    if stub is RUST:
        turn_mastering_on(dom0, guest, late[-1])
    guest.destroy()
    for endpoint in everything:
        stub.wait_idle(dom0, bdf[endpoint])
        stub.check_clean(dom0, bdf[endpoint])
        assert config_space(dom0, bdf[endpoint]) == before[endpoint]
    for endpoint in everything:
        dom0.check(f"xl pci-assignable-remove -r {bdf[endpoint]}")
        assert endpoint.in_dom0(dom0) == identity[endpoint]
    stub.unload(dom0)


@pytest.mark.core
@pytest.mark.dom0("guest", "pvh", "pv", xl=True, seldom="pvh")
def test_life(dom0: Dom0) -> None:
    """A disk from the start, and network cards that come and go: all by MSI-X."""
    life(dom0, RUST, NVME, [E1000E, IGB])


@pytest.mark.tier("all")
@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_life_without_messages(dom0: Dom0) -> None:
    """The same by the pin."""
    life(dom0, RUST, NVME, [E1000E], "pci=nomsi", "intx")


@pytest.mark.c_driver
@pytest.mark.klog_allow("unlocked secondary bus reset")
@pytest.mark.dom0(*C_IN, xl=True)
def test_life_with_the_c_driver(dom0: Dom0) -> None:
    """The control."""
    life(dom0, C, NVME, [E1000E])


@pytest.mark.tier("all")
@pytest.mark.parametrize(("cmdline", "mode"), [("", "msi-x"), ("pci=nomsi", "intx")])
@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_a_frontend_that_leaves(dom0: Dom0, cmdline: str, mode: str) -> None:
    """The frontend's module goes and comes again; the guest crashes; each time the device works for the next."""
    identity, bdf = NVME.in_dom0(dom0), dom0.bdf(NVME.name)
    RUST.load(dom0)
    dom0.check(f"xl pci-assignable-add {bdf}")
    guest = Guest(dom0, "pv", [bdf], cmdline=cmdline, kind="pv", cold=False).create()
    use(guest, NVME, identity, mode)
    for _ in range(2):
        guest.unload_frontend()
        go(guest, NVME)
        state = f"/local/domain/0/backend/pci/{guest.domid}/0/state"
        dom0.check(until(f'[ "$(xenstore-read {state})" = 3 ]', 20), 40)
        guest.check("modprobe xen-pcifront")
        use(guest, NVME, identity, mode)
    guest.crash()
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    guest = Guest(dom0, "pv", [bdf], kind="pv", cold=False).create()
    use(guest, NVME, identity, "msi-x")
    guest.destroy()
    RUST.wait_idle(dom0, bdf)
    dom0.check(f"xl pci-assignable-remove -r {bdf}")
    assert NVME.in_dom0(dom0) == identity
    RUST.unload(dom0)


@pytest.mark.tier("all")
@pytest.mark.klog_allow("which may still reach it")
@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_power_and_place(dom0: Dom0) -> None:
    """A guest's device comes back from D3hot, in which it lost its addresses. Claimed anew under the guest, it is
    where the guest saw it, although the place before it is free."""
    first, second = dom0.bdf(NVME.name), dom0.bdf(E1000E.name)
    identity = E1000E.in_dom0(dom0)
    RUST.load(dom0)
    for bdf in (first, second):
        dom0.check(f"xl pci-assignable-add {bdf}")
    guest = Guest(dom0, "pv", [first, second], kind="pv", cold=False).create()
    slot = E1000E.in_guest(guest)
    use(guest, E1000E, identity, "msi-x")
    guest.detach(first)
    go(guest, NVME)
    RUST.wait_idle(dom0, first)
    guest.check(f"echo {slot} >/sys/bus/pci/drivers/e1000e/unbind")
    space = f"/sys/bus/pci/devices/{slot}/config"
    at = offset(dom0, second, "CAP_PM+4.w")
    where = f"setpci -s {second} BASE_ADDRESS_0.l COMMAND.b"
    before = dom0.check(where)
    for state in (3, 0):
        guest.check(f"printf '\\00{state}' | dd of={space} bs=1 seek={at} conv=notrunc 2>/dev/null")
        assert int(dom0.check(f"setpci -s {second} CAP_PM+4.b"), 16) & 0x3 == state
        if state == 3:
            dom0.check(f"setpci -s {second} COMMAND.b=0; setpci -s {second} BASE_ADDRESS_0.l=0")
            assert dom0.check(where) != before
    assert dom0.check(where) == before
    guest.check(f"echo {slot} >/sys/bus/pci/drivers/e1000e/bind")
    use(guest, E1000E, identity, "msi-x")
    dom0.check(f"echo {second} >{DRIVER}/unbind; echo {second} >{DRIVER}/bind")
    guest.wait(f'[ "$(od -An -tx2 -N2 {space})" = " {E1000E.vendor}" ]')
    guest.destroy()
    for bdf in (first, second):
        RUST.wait_idle(dom0, bdf)
        dom0.check(f"xl pci-assignable-remove -r {bdf}")
    assert E1000E.in_dom0(dom0) == identity
    RUST.unload(dom0)


@pytest.mark.c_driver
@pytest.mark.klog_allow("unlocked secondary bus reset")
@pytest.mark.dom0("guest", "pv", xl=True)
def test_next_to_the_c_driver(dom0: Dom0) -> None:
    """A guest reads the same, as fast, and its disk is as fast, in which the driver has no part."""
    (ours, shown), (theirs, theirs_shown) = seen_by_guest(dom0, RUST), seen_by_guest(dom0, C)
    print(f"\na second: {ours} with this driver, {theirs} with the C driver")
    for what in ours:
        assert ours[what] > theirs[what] * 0.8, "not slower, but for the noise of an emulated machine"
    for device, config in shown.items():
        pairs = enumerate(zip(config, theirs_shown[device], strict=True))
        differ = {at: (hex(one), hex(other)) for at, (one, other) in pairs if one != other}
        # The disk has MSI-X here, and INTx off: in the control words of MSI-X and of the device.
        assert set(differ) == ({0x05, 0x43} if device == NVME.name else set()), differ


@pytest.mark.tier("all")
@pytest.mark.dom0("shared", "pv", xl=True)
def test_a_card_of_two_functions(dom0: Dom0) -> None:
    """Both are functions of one slot in the guest too, and work before and after a reboot."""
    pair = [dom0.bdf(f"pair.{function}") for function in range(2)]
    address = [dom0.check(f"cat {DEVICES}/{bdf}/net/*/address").strip() for bdf in pair]
    RUST.load(dom0)
    for bdf in pair:
        dom0.check(f"xl pci-assignable-add {bdf}")
    guest = Guest(dom0, "pv", pair, kind="pv").create()
    for reboots in (True, False):
        for function in range(2):
            slot = f"0000:00:00.{function}"
            guest.wait_driver(slot, "e1000e")
            assert E1000E.identity(guest, slot) == address[function]
            assert E1000E.use(guest, slot) > 0
            assert interrupt_mode(guest, E1000E, slot) == "msi-x"
        if reboots:
            guest.reboot()
    guest.destroy()
    for bdf in pair:
        RUST.wait_idle(dom0, bdf)
        RUST.check_clean(dom0, bdf)
        dom0.check(f"xl pci-assignable-remove -r {bdf}")
    RUST.unload(dom0)


@pytest.mark.tier("all")
@pytest.mark.dom0("guest", "pv", xl=True)
def test_a_virtual_function(dom0: Dom0) -> None:
    """It has neither decode of its own nor an ID in its configuration space, and needs the PF's memory decode."""
    pf = f"{DEVICES}/{dom0.bdf(IGB.name)}"
    address = "02:00:00:00:00:07"
    dom0.check(
        f"echo 1 >{pf}/sriov_numvfs; net=$(ls {pf}/net); ip link set $net up && ip link set $net vf 0 mac {address}"
    )
    bdf = dom0.check(f"basename $(readlink {pf}/virtfn0)").strip()
    RUST.load(dom0)
    dom0.check(f"xl pci-assignable-add {bdf}")
    guest = Guest(dom0, "pv", [bdf], kind="pv", cold=False).create()
    use(guest, IGBVF, address, "msi-x")
    guest.destroy()
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    dom0.check(f"xl pci-assignable-remove {bdf}; echo 0 >{pf}/sriov_numvfs")
    RUST.unload(dom0)


@pytest.mark.tier("all")
@pytest.mark.dom0("guest", "pv", xl=True)
def test_a_guest_that_may_turn_on_interrupts(dom0: Dom0) -> None:
    """As Qubes' stub domains do: they have the same frontend, and turn MSI-X on by writing its bit, which
    `allow_interrupt_control` opens. The end of the guest turns it off.

    (QubesOS/qubes-vmm-xen, 0619-libxl-Allow-stubdomain-to-control-interupts-of-PCI-d.patch, commit 4dcfdda96ae5.)
    """
    bdf = dom0.bdf(E1000E.name)
    RUST.load(dom0)
    dom0.check(f"xl pci-assignable-add {bdf}")
    guest = Guest(dom0, "pv", [bdf], kind="pv", cold=False).create()
    slot = E1000E.in_guest(guest)
    guest.wait_driver(slot, E1000E.driver)
    # (It asks to have MSI-X turned on, and never to have it turned off.)
    guest.check(f"echo {slot} >/sys/bus/pci/drivers/e1000e/unbind")
    control = f"setpci -s {bdf} CAP_MSIX+2.w"
    at = offset(dom0, bdf, "CAP_MSIX+2.w") + 1
    space = f"/sys/bus/pci/devices/{slot}/config"
    for may in (False, True):
        if may:
            dom0.check(f"echo {bdf} >{DRIVER}/allow_interrupt_control")
        for byte, bit in (("000", 0), ("200", 0x8000)):
            guest.check(f"printf '\\{byte}' | dd of={space} bs=1 seek={at} conv=notrunc 2>/dev/null")
            assert int(dom0.check(control), 16) & 0x8000 == (bit if may else 0x8000)
    guest.destroy()
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    assert int(dom0.check(control), 16) & 0x8000 == 0
    dom0.check(f"xl pci-assignable-remove -r {bdf}")
    RUST.unload(dom0)


@pytest.mark.tier("all")
@pytest.mark.parametrize("end", ["unbind", "remove"])
@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_a_device_that_dom0_takes_from_its_guest(dom0: Dom0, end: str) -> None:
    """A guest has bound a device's MSI-X when dom0 unbinds or removes the device. Then Xen has none of it mapped
    any more, so the guest's end doesn't upset Xen, and the native driver has MSI-X.

    (Xen frees the interrupts of a device that is removed, and panics at the end of a guest that has them.)
    """
    E1000E.in_dom0(dom0)
    bdf = dom0.bdf(E1000E.name)
    RUST.load(dom0)
    dom0.check(f"xl pci-assignable-add {bdf}")
    guest = Guest(dom0, "pv", [bdf], kind="pv", cold=False).create()
    slot = E1000E.in_guest(guest)
    assert E1000E.use(guest, slot) > 0
    assert interrupt_mode(guest, E1000E, slot) == "msi-x"
    assert bound_by(dom0, guest) >= 3, "e1000e uses three vectors"
    mark = dom0.console.mark()
    dom0.check({"unbind": f"echo {bdf} >{DRIVER}/unbind", "remove": f"echo 1 >{DEVICES}/{bdf}/remove"}[end])
    assert dom0.console.wait_for(f"pciback {bdf}: released while domain {guest.domid} uses it", 10, mark)
    assert bound_by(dom0, guest) == 0
    assert guest.run("true").ok, "the guest goes on"
    dom0.run("xl destroy pv", 120)  # It says that the device can't be reset.
    guest.wait_gone()
    assert dom0.alive
    if end == "remove":
        # Its slot is still listed.
        dom0.check("echo 1 >/sys/bus/pci/rescan")
        dom0.check(until(f"[ {DRIVER} -ef {DEVICES}/{bdf}/driver ]", 30))
    else:
        dom0.check(f"xl pci-assignable-remove {bdf}")  # Xen gives it back to dom0.
    give_back(dom0, bdf)
    works_by_msix(dom0, bdf)
    RUST.unload(dom0)


def bound_by(dom0: Dom0, guest: Guest) -> int:
    """How many interrupts of devices a guest has bound, by Xen's debug key i."""
    said = dom0.check("xl dmesg -c >/dev/null; xl debug-keys i; xl dmesg")
    return len(re.findall(rf"in-flight=.*\bd{guest.domid}: *\d+\(", said))


@pytest.mark.tier("all")
@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_save_and_restore(dom0: Dom0) -> None:
    """Xen refuses to migrate a guest with a device, which goes on. One that is saved gives its device back, and
    has it again when it is restored, of which a stock guest makes nothing: it crashes."""
    identity, bdf = NVME.in_dom0(dom0), dom0.bdf(NVME.name)
    RUST.load(dom0)
    dom0.check(f"xl pci-assignable-add {bdf}")
    guest = Guest(dom0, "pv", [bdf], kind="pv", cold=False).create()
    use(guest, NVME, identity, "msi-x")
    refused = dom0.run("xl migrate -s '' pv 'xl migrate-receive'", 120)
    assert not refused.ok
    assert "logdirty" in refused.out, refused.out
    use(guest, NVME, identity, "msi-x")
    dom0.check("mkdir -p /run/saved && mount -t tmpfs -o size=400m saved /run/saved")
    dom0.check("xl save pv /run/saved/guest", 300)
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    dom0.check("xl restore -p /run/saved/guest", 300)
    domid = dom0.check("xl domid pv").strip()
    assert dom0.check(f"cat {DEVICES}/{bdf}/pciback/used_by").strip() == domid
    dom0.check("xl destroy pv; umount /run/saved", 120)
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    dom0.check(f"xl pci-assignable-remove -r {bdf}")
    assert NVME.in_dom0(dom0) == identity
    RUST.unload(dom0)
