# SPDX-License-Identifier: GPL-2.0
"""Whose a device is: in each order of a toolstack's, a guest's and an administrator's acts.

tests/model tries all orders on the driver's decisions; here are those that need xenstore, the kernel
and hardware.
"""

import time
from collections.abc import Iterator

import pytest
from lab.faulty_device import FaultyDevice
from lab.machine import Dom0
from lab.parts import Parts
from lab.toolstack import (
    CLOSED,
    CLOSING,
    INIT_WAIT,
    INITIALISED,
    PciBackend,
    assignable,
    shown,
    wait_idle,
    wait_shown,
    wait_until,
)

DRIVER = "/sys/bus/pci/drivers/pciback"
IN_PV = pytest.mark.dom0("main", "pv", xl=True)
EBUSY, EAGAIN = 16, 11


@pytest.fixture
def claimed(dom0: Dom0) -> Iterator[list[str]]:
    """The module with three claimed devices."""
    with assignable(dom0, ("igb0", "nvme0", "e1000e0")) as bdfs:
        yield bdfs


@pytest.fixture
def card(dom0: Dom0) -> Iterator[list[str]]:
    """The module with both functions of a card claimed."""
    with assignable(dom0, ("pair.0", "pair.1")) as bdfs:
        yield bdfs


class Xenopsd:
    """An HVM guest's devices as xenopsd lists them, write by write: no state, no frontend, no number
    (ocaml/xenopsd/xc/xenops_server_xen.ml, `plug`, and ocaml/xenopsd/xc/device.ml, `PCI.add`)."""

    def __init__(self, dom0: Dom0, domain: int) -> None:
        self.dom0 = dom0
        self.home = f"/local/domain/{domain}"
        self.back = f"/local/domain/0/backend/pci/{domain}/0"
        dom0.check(f"xenstore-write {self.home}/domid {domain}")

    def plug(self, index: int, bdf: str) -> None:
        """Give it one more device."""
        for node, value in (("msitranslate", 1), ("power_mgmt", 0), (f"dev-{index}", bdf)):
            self.dom0.check(f"xenstore-write {self.back}/{node} {value}")

    def destroy(self) -> None:
        """The end of the domain."""
        self.dom0.check(f"xenstore-rm {self.back}; xenstore-rm {self.home}")


@IN_PV
@pytest.mark.klog_allow("is not exported: another domain uses it")
def test_a_guest_of_xenopsd(dom0: Dom0, claimed: list[str]) -> None:
    """It is known from its first node to the end of its directory, though xenbus has no device for it."""
    igb, nvme, _ = claimed
    guest = Xenopsd(dom0, 7)
    guest.plug(0, igb)
    wait_shown(dom0, igb, "used_by", "7")
    assert shown(dom0, igb, "state") == ["used"]
    assert not dom0.run("ls -d /sys/bus/xen-backend/devices/pci-7-0").ok
    assert not dom0.run("rmmod rust_pciback").ok, "nobody would know of the use"
    guest.plug(1, nvme)
    wait_shown(dom0, nvme, "used_by", "7")
    # Nobody else gets it.
    other = PciBackend(dom0, 8)
    other.create(igb)
    other.wait("state-0", CLOSED)
    assert "another domain" in other.error()
    other.remove()
    # One device less, and then none: each is cleaned.
    dom0.check(f"xenstore-rm {guest.back}/dev-1")
    wait_idle(dom0, nvme)
    assert shown(dom0, nvme, "state", "last_reset_method") == ["clean", "flr"]
    assert shown(dom0, igb, "used_by") == ["7"]
    guest.destroy()
    wait_idle(dom0, igb)
    assert shown(dom0, igb, "state", "last_reset_method") == ["clean", "flr"]


@IN_PV
def test_a_guest_removes_its_frontend(dom0: Dom0, claimed: list[str]) -> None:
    """Before xenbus looks, or later: the directory in dom0 is what counts."""
    igb, nvme, _ = claimed
    guest = PciBackend(dom0, 7)
    # Both in one go, so that xenbus finds no frontend.
    dom0.check(
        "xenstore-write /local/domain/7/domid 7"
        f" {guest.back}/frontend {guest.front} {guest.back}/frontend-id 7 {guest.back}/online 1"
        f" {guest.back}/state 1 {guest.back}/num_devs 1 {guest.back}/dev-0 {igb} {guest.back}/state-0 1"
    )
    wait_shown(dom0, igb, "used_by", "7")
    dom0.check(f"xenstore-rm {guest.back}")
    wait_idle(dom0, igb)
    assert shown(dom0, igb, "state") == ["clean"]
    guest = PciBackend(dom0, 8)
    guest.create(nvme)
    guest.wait("state", INITIALISED)
    dom0.check(f"xenstore-rm {guest.front}")
    # What is added afterwards is seen, so what was there was looked at.
    guest.add(igb)
    wait_shown(dom0, igb, "used_by", "8")
    assert shown(dom0, nvme, "used_by", "state") == ["8", "used"]
    dom0.check(f"xenstore-rm {guest.back}")
    wait_idle(dom0, nvme)
    wait_idle(dom0, igb)


@pytest.mark.tier("all")
@IN_PV
def test_a_storm_of_renumberings(dom0: Dom0, claimed: list[str]) -> None:
    """Another writer renumbers the list 2,000 times, each time in one commit: no device that stays on it
    is taken back."""
    guest = PciBackend(dom0, 7)
    guest.create(*claimed)
    guest.wait("state", INITIALISED)
    dom0.check("dmesg -c >/dev/null")
    again = dom0.check(f"/tests/renumber {guest.back} 2000 {' '.join(claimed)}", 300)
    # It is followed again: a change after the storm is carried out.
    guest.set(num_devs=2, state=7)
    gone = guest.read("dev-2")
    assert gone is not None
    wait_idle(dom0, gone)
    said = dom0.check("dmesg").split("pciback ")
    assert [line for line in said if "used by domain" in line] == []
    assert len([line for line in said if "given back" in line]) == 1, f"{again} transactions were tried again"
    for bdf in claimed:
        assert shown(dom0, bdf, "used_by") == ["none" if bdf == gone else "7"]
    guest.remove()
    for bdf in claimed:
        wait_idle(dom0, bdf)


@IN_PV
@pytest.mark.tier("all")
def test_a_directory_comes_back_at_once(dom0: Dom0, claimed: list[str]) -> None:
    """Removed and made again in one go, before anybody has looked: the guest has its devices, cleaned or
    not, and no error."""
    bdfs = claimed[:2]
    guest = PciBackend(dom0, 7)
    guest.create(*bdfs)
    guest.wait("state", INITIALISED)
    for _ in range(10):
        dom0.check(f"xenstore-rm {guest.back}; xenstore-rm {guest.front}")
        guest = PciBackend(dom0, 7)
        guest.create(*bdfs)
        wait_until(dom0, f'[ "$(xenstore-read {guest.back}/state-1 2>/dev/null)" = 3 ]')
        assert guest.error() == ""
        for bdf in bdfs:
            wait_shown(dom0, bdf, "used_by", "7")
    guest.remove()
    for bdf in bdfs:
        wait_idle(dom0, bdf)


@pytest.fixture
def slow(dom0: Dom0) -> Iterator[tuple[str, str, FaultyDevice]]:
    """The module with two claimed devices; the first takes, from now on, as long to come back from its
    reset as the test wants."""
    with assignable(dom0, ("faulty0", "igb0")) as (bdf, igb):
        faulty_device = dom0.faulty_devices["faulty0"]
        faulty_device.after_flr = FaultyDevice.die
        yield bdf, igb, faulty_device
        faulty_device.heal()


def leaving(dom0: Dom0, guest: PciBackend, bdf: str) -> None:
    """The guest ends; returns when the use of a device is being ended."""
    dom0.check(f"xenstore-rm {guest.back}; xenstore-rm {guest.front}")
    wait_shown(dom0, bdf, "assignable", "no")


@pytest.mark.dom0("slow", "pvh", "pv", xl=True, seldom="pvh")
@pytest.mark.klog_allow("is not given to a guest", "not ready")
def test_what_is_leaving_is_for_nobody(dom0: Dom0, slow: tuple[str, str, FaultyDevice]) -> None:
    """While a device is being cleaned, it is not assignable, the GSI ioctl says to try again, and do_flr
    and the next guest wait until it is clean."""
    bdf, _, faulty_device = slow
    resets = faulty_device.resets
    guest = PciBackend(dom0, 7)
    guest.create(bdf)
    guest.wait("state", INITIALISED)
    leaving(dom0, guest, bdf)
    assert dom0.check(f"/tests/pbtool gsi {bdf}").strip() == str(-EAGAIN)
    do_flr = f"printf {bdf} | /tests/pbtool write {DRIVER}/do_flr"
    writer = dom0.check(f": >/root/done; {do_flr} >/root/done 2>/dev/null & echo $!").strip()
    # It is in its write, which is pwrite64(), number 18, while the device is leaving: not only afterwards.
    wait_until(dom0, f"grep -q '^18 ' /proc/{writer}/syscall")
    following = PciBackend(dom0, 8)
    following.create(bdf)
    following.wait("state", INIT_WAIT)
    assert shown(dom0, bdf, "used_by", "assignable") == ["7", "no"]
    assert dom0.check("cat /root/done") == ""
    faulty_device.after_flr = None
    faulty_device.revive()
    wait_until(dom0, "[ -s /root/done ]")
    assert dom0.check("cat /root/done") == "0\n"
    following.wait("state", INITIALISED)
    assert following.error() == ""
    assert shown(dom0, bdf, "used_by") == ["8"]
    assert faulty_device.resets == resets + 1, "the one after the first guest: it was clean then"
    following.remove()
    wait_idle(dom0, bdf)
    assert shown(dom0, bdf, "state", "assignable") == ["clean", "yes"]


@pytest.mark.dom0("slow", "pvh", "pv", xl=True, seldom="pvh")
@pytest.mark.klog_allow(
    "reset_device: no reset method", "given back by domain", "which may still reach it", "not ready"
)
def test_a_slow_neighbour(dom0: Dom0, slow: tuple[str, str, FaultyDevice]) -> None:
    """Two devices of a guest are given back, and one takes long. The other is given to its native driver
    meanwhile: nothing is written to it any more."""
    bdf, igb, faulty_device = slow
    dom0.check(f"echo '' >/sys/bus/pci/devices/{igb}/reset_method")  # so that it would be restored at the end
    guest = PciBackend(dom0, 7)
    guest.create(igb, bdf)
    guest.wait("state", INITIALISED)
    leaving(dom0, guest, bdf)
    dom0.check(f"echo {igb} >{DRIVER}/unbind; echo {igb} >/sys/bus/pci/drivers/igb/bind", 60)
    command = dom0.check(f"setpci -s {igb} COMMAND")
    assert int(command, 16) & 0x6 == 0x6, "igb decodes and masters"
    assert shown(dom0, bdf, "used_by") == ["7"]
    faulty_device.after_flr = None
    faulty_device.revive()
    wait_idle(dom0, bdf)
    assert dom0.check(f"setpci -s {igb} COMMAND") == command
    dom0.check(f"echo default >/sys/bus/pci/devices/{igb}/reset_method; echo {igb} >/sys/bus/pci/drivers/igb/unbind")
    dom0.check(f"echo {igb} >{DRIVER}/bind")


@pytest.mark.dom0("slow", "pvh", "pv", xl=True, seldom="pvh")
@pytest.mark.klog_allow("not ready")
def test_nobody_waits_for_the_end_of_another_guest(dom0: Dom0, slow: tuple[str, str, FaultyDevice]) -> None:
    """A toolstack closes a guest whose device takes long to be cleaned. Meanwhile libxl has another one reset."""
    bdf, igb, faulty_device = slow
    guest = PciBackend(dom0, 7)
    guest.create(bdf)
    guest.wait("state", INITIALISED)
    guest.set(online=0, state=CLOSING)
    wait_shown(dom0, bdf, "assignable", "no")
    dom0.check(f"echo {igb} >{DRIVER}/do_flr", 20)
    assert shown(dom0, bdf, "used_by") == ["7"]
    assert guest.read("state") == str(CLOSING)
    faulty_device.after_flr = None
    faulty_device.revive()
    guest.wait("state", CLOSED)
    assert shown(dom0, bdf, "used_by", "state") == ["none", "clean"]
    guest.remove()


MARK = "INTERRUPT_LINE"


@pytest.mark.dom0("shared", "pvh", "pv", xl=True, seldom="pvh")
@pytest.mark.klog_allow("reset_device: not reset", "given back by domain")
def test_one_function_of_a_card_goes(dom0: Dom0, card: list[str]) -> None:
    """A guest gives one function back and goes on using the other, which is left alone. When that goes
    too, both are reset."""
    one, two = card
    guest = PciBackend(dom0, 7)
    guest.create(one, two)
    guest.wait("state", INITIALISED)
    dom0.check(f"setpci -s {one} {MARK}=5a; setpci -s {two} {MARK}=5a COMMAND=7")
    before = dom0.check(f"od -An -v -tx1 /sys/bus/pci/devices/{two}/config")
    address = dom0.check(f"setpci -s {two} COMMAND=2:2; /tests/pbtool mmio {two} 0 0x5400")
    assert dom0.check(f"printf {one} | /tests/pbtool write {DRIVER}/do_flr") == f"{EBUSY}\n"
    guest.detach(0)
    wait_idle(dom0, one)
    assert shown(dom0, one, "state") == ["used"]
    assert dom0.check(f"setpci -s {one} {MARK}").strip() != "5a", "it has the configuration of its claim"
    assert shown(dom0, two, "used_by", "state") == ["7", "used"]
    assert dom0.check(f"od -An -v -tx1 /sys/bus/pci/devices/{two}/config") == before
    assert dom0.check(f"/tests/pbtool mmio {two} 0 0x5400") == address
    guest.remove()
    wait_idle(dom0, two)
    for bdf in card:
        assert shown(dom0, bdf, "state", "last_reset_method") == ["clean", "slot"]
    assert dom0.check(f"setpci -s {two} {MARK}").strip() != "5a"


@pytest.mark.dom0("shared", "pvh", "pv", xl=True, seldom="pvh")
@pytest.mark.klog_allow("reset_device: not reset", "given back by domain")
def test_assigned_before_it_is_listed(dom0: Dom0, card: list[str], part: Parts) -> None:
    """The toolstack asks for the GSI, assigns the device, and lists it. From the question on no reset on behalf of
    another device reaches it; if it is never listed, that ends by itself."""
    one, two = card
    assert int(dom0.check(f"/tests/pbtool gsi {one}")) >= 0
    asked = time.monotonic()
    dom0.check(f"setpci -s {one} {MARK}=5a")
    do_flr = f"printf {{}} | /tests/pbtool write {DRIVER}/do_flr"
    with part("a reset that would reach it"):
        assert dom0.check(do_flr.format(two)) == f"{EBUSY}\n"
        blockers = dom0.check(f"cat /sys/bus/pci/devices/{two}/pciback/reset_blockers")
        assert blockers == f"{one} being given to a guest\n"
        assert dom0.check(f"setpci -s {one} {MARK}").strip() == "5a"
    # A toolstack that never comes back: whether the domain had the device isn't known.
    wait_until(dom0, f'[ "$({do_flr.format(two)})" = 0 ]', 90)
    with part("how long it counts (pure/device_state.rs, ASSIGNED_FOR)"):
        assert time.monotonic() - asked > 30
    # And one that does list it.
    assert int(dom0.check(f"/tests/pbtool gsi {one}")) >= 0
    guest = PciBackend(dom0, 7)
    guest.create(one)
    guest.wait("state", INITIALISED)
    assert dom0.check(do_flr.format(two)) == f"{EBUSY}\n"
    guest.remove()
    wait_idle(dom0, one)
    assert shown(dom0, one, "state") == ["clean"]


@IN_PV
@pytest.mark.tier("all")
def test_no_device_is_given_while_dom0_goes_to_sleep(dom0: Dom0, claimed: list[str]) -> None:
    """A device that is listed at the moment of a suspend is given before, which prevents the suspend, or
    after it."""
    igb = claimed[0]
    dom0.check("echo 0 >/sys/module/suspend/parameters/pm_test_delay; echo freezer >/sys/power/pm_test")
    slept = 0
    for domain in range(7, 17):
        guest = PciBackend(dom0, domain)
        guest.create()
        suspend = "echo freeze >/sys/power/state"
        nodes = f"{guest.back}/dev-0 {igb} {guest.back}/state-0 1 {guest.back}/num_devs 1"
        slept += dom0.run(f"xenstore-write {nodes} & {suspend}", 60).ok
        wait_shown(dom0, igb, "used_by", str(domain))
        assert not dom0.run(suspend).ok, "a guest uses the device"
        guest.remove()
        wait_idle(dom0, igb)
    assert slept > 0, "no suspend came first"
    dom0.check("echo none >/sys/power/pm_test")


@IN_PV
@pytest.mark.klog_allow("permissive")
def test_permissive_from_guest_to_guest(dom0: Dom0, claimed: list[str]) -> None:
    """What `permissive` allows ends with the guest; keep_permissive lasts until it is undone or the device released."""
    igb, nvme, _ = claimed
    listed = f"cat {DRIVER}/permissive; echo /; cat {DRIVER}/keep_permissive"
    dom0.check(f"echo {igb} >{DRIVER}/permissive; echo {nvme} >{DRIVER}/keep_permissive")
    for domain in (7, 8):
        guest = PciBackend(dom0, domain)
        guest.create(igb, nvme)
        guest.wait("state", INITIALISED)
        permissive = [igb, nvme] if domain == 7 else [nvme]
        assert dom0.check(listed).split() == [*permissive, "/", nvme]
        guest.remove()
        wait_idle(dom0, igb)
        wait_idle(dom0, nvme)
    dom0.check(f"echo {nvme} >{DRIVER}/restrictive")
    assert dom0.check(listed).split() == ["/"]
    dom0.check(f"echo {nvme} >{DRIVER}/keep_permissive; echo {nvme} >{DRIVER}/unbind; echo {nvme} >{DRIVER}/bind")
    assert dom0.check(listed).split() == ["/"]
