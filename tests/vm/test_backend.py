# SPDX-License-Identifier: GPL-2.0
"""The xenbus backend, driven node by node: what a toolstack and a guest can write, in any order.

Real guests are in test_guest*.py; here is what those never do, or not on demand.
"""

from collections.abc import Iterator

import pytest
from lab.machine import Dom0
from lab.parts import Parts
from lab.toolstack import (
    CLOSED,
    CLOSING,
    CONNECTED,
    INITIALISED,
    INITIALISING,
    RECONFIGURED,
    RECONFIGURING,
    PciBackend,
    assignable,
    shown,
    wait_idle,
    wait_shown,
    wait_until,
)

IN_BOTH = pytest.mark.dom0("main", "pvh", "pv", xl=True)
#: What has nothing to do with the kind of dom0, in the one that boots faster.
IN_PV = pytest.mark.dom0("main", "pv", xl=True)
DRIVER = "/sys/bus/pci/drivers/pciback"


@pytest.fixture
def claimed(dom0: Dom0, request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The module with three claimed devices."""
    with assignable(dom0, ("igb0", "nvme0", "e1000e0"), getattr(request, "param", "")) as bdfs:
        yield bdfs


@pytest.fixture
def card(dom0: Dom0) -> Iterator[list[str]]:
    """The module with both functions of a card claimed."""
    with assignable(dom0, ("pair.0", "pair.1")) as bdfs:
        yield bdfs


@IN_BOTH
def test_life_of_a_connection(dom0: Dom0, claimed: list[str], part: Parts) -> None:
    """Set up, add, remove, and the end: states, addresses and what becomes of the devices."""
    igb, nvme, e1000e = claimed
    guest = PciBackend(dom0, 7)
    guest.create(igb)
    guest.wait("state", INITIALISED)
    with part("the first device"):
        assert guest.read("state-0") == "3"
        assert guest.read("vdev-0") == "0000:00:00.00"
        assert guest.read("root-0") == "0000:00"
        assert guest.read("root_num") == "1"
        assert shown(dom0, igb, "used_by", "state") == ["7", "used"]
        assert shown(dom0, nvme, "used_by") == ["none"]
    # A running guest gets another one, and one more without another state, as a guest that is
    # being made does.
    guest.add(nvme)
    guest.wait("state-1", INITIALISED)
    guest.wait("state", INITIALISED)
    guest.set(**{"dev-2": e1000e, "state-2": INITIALISING, "num_devs": 3})
    guest.wait("state-2", INITIALISED)
    with part("the devices that were added"):
        assert guest.read("vdev-1") == "0000:00:01.00"
        assert guest.read("vdev-2") == "0000:00:02.00"
        assert guest.read("root_num") == "1"
    # It is asked for by its state, and by its going from the list.
    guest.detach(0)
    wait_idle(dom0, igb)
    with part("the device that was asked for by its state"):
        assert shown(dom0, igb, "state", "last_reset_method") == ["clean", "flr"]
    guest.set(**{"dev-0": nvme, "state-0": INITIALISED, "dev-1": e1000e, "state-1": INITIALISED})
    guest.set(num_devs=1, state=RECONFIGURING)
    wait_idle(dom0, e1000e)
    with part("the device that has gone from the list"):
        assert shown(dom0, e1000e, "state", "last_reset_method") == ["clean", "slot"]
    with part("the device that stays"):
        assert shown(dom0, nvme, "used_by") == ["7"]
    # The guest is gone.
    guest.remove()
    wait_idle(dom0, nvme)
    with part("the last device"):
        assert shown(dom0, nvme, "state", "last_reset_method") == ["clean", "flr"]


@IN_PV
def test_what_a_guest_writes_gives_nothing_back(dom0: Dom0, claimed: list[str]) -> None:
    """The frontend's nodes are the guest's. Whatever it writes, the devices stay its own, the
    toolstack can still add and remove, and the driver is well."""
    igb, nvme, _ = claimed
    guest = PciBackend(dom0, 7)
    guest.create(igb)
    guest.wait("state", INITIALISED)
    for state in (CLOSED, 0, RECONFIGURING, CONNECTED, RECONFIGURED, 99, "nonsense", "x" * 2000, CONNECTED):
        guest.guest_writes(state=state)
    assert shown(dom0, igb, "used_by") == ["7"]
    # A flood (XSA-349, XSA-43): the log doesn't grow, and the toolstack's word comes through.
    flood = f"{guest.front}/state 4 {guest.front}/state 7 " * 250
    dom0.check(f"dmesg -c >/dev/null; for i in 1 2 3 4; do xenstore-write {flood}; done")
    guest.add(nvme)
    guest.wait("state-1", INITIALISED)
    said = dom0.run("dmesg | grep pciback").out.splitlines()
    assert len(said) == 1, "that the guest got the device"
    dom0.check(f"xenstore-rm {guest.front}/state")
    guest.detach(1)
    wait_idle(dom0, nvme)
    assert shown(dom0, igb, "used_by") == ["7"]
    # A frontend that closes is answered, and the device is still the guest's.
    guest.guest_writes(state=CLOSING)
    guest.wait("state", CLOSING)
    guest.guest_writes(state=CLOSED)
    guest.wait("state", CLOSED)
    assert shown(dom0, igb, "used_by") == ["7"]
    guest.remove()
    wait_idle(dom0, igb)


@IN_PV
@pytest.mark.klog_allow("can't be connected", "mapping in shared page")
def test_a_ring_that_is_none_is_refused(dom0: Dom0, claimed: list[str]) -> None:
    """A frontend publishes a ring that nobody can map: an error says so, and the end is clean."""
    igb = claimed[0]
    guest = PciBackend(dom0, 7)
    guest.create(igb)
    guest.wait("state", INITIALISED)
    guest.guest_writes(pci_op_ref=8, event_channel=1, magic=7)
    guest.guest_writes(state=INITIALISED)
    guest.wait("state", CLOSED)
    assert "can't be connected" in guest.error()
    assert shown(dom0, igb, "used_by") == ["7"], "until the toolstack says otherwise"
    guest.remove()
    wait_idle(dom0, igb)
    assert shown(dom0, igb, "state") == ["clean"]
    # The next guest is served.
    guest = PciBackend(dom0, 8)
    guest.create(igb)
    guest.wait("state", INITIALISED)
    guest.remove()
    wait_idle(dom0, igb)


@IN_PV
@pytest.mark.klog_allow("is not exported", "a device is not exported")
def test_a_refused_device_is_refused_alone(dom0: Dom0, claimed: list[str], part: Parts) -> None:
    """No such device, another domain's, no address: refused with the reason, and the guest has the others,
    which Xen and the toolstack have given to it."""
    igb, nvme, _ = claimed
    bridge = dom0.bdf("rp-spare")
    unbind = f"echo {bridge} >/sys/bus/pci/devices/{bridge}/driver/unbind"
    dom0.check(f"{unbind}; echo {bridge} >{DRIVER}/new_slot; echo {bridge} >{DRIVER}/bind")
    owner = PciBackend(dom0, 7)
    owner.create(igb)
    owner.wait("state", INITIALISED)
    bad = {
        bridge: "a bridge",
        "0000:7f:00.0": "not claimed",
        igb: "another domain",
        "nonsense": "no device address",
        "01:00.*": "no device",
    }
    for domain, (device, why) in enumerate(bad.items(), 8):
        guest = PciBackend(dom0, domain)
        guest.create(nvme, device)
        with part(device):
            guest.wait("state", INITIALISED)
            assert why in guest.error()
            assert [guest.read("state-0"), guest.read("state-1")] == ["3", "6"]
            assert [guest.read("vdev-0"), guest.read("vdev-1")] == ["0000:00:00.00", None]
            assert shown(dom0, nvme, "used_by") == [str(domain)]
            assert shown(dom0, igb, "used_by") == ["7"]
        guest.remove()
        wait_idle(dom0, nvme)
    # To a guest that has devices, only the one is refused.
    owner.add("0000:7f:00.0")
    owner.wait("state-1", CLOSED)
    with part("what is added to a guest's devices"):
        assert "not claimed" in owner.error()
    owner.wait("state", INITIALISED)
    owner.add(nvme)
    owner.wait("state-2", INITIALISED)
    with part("what is added after that"):
        assert owner.read("vdev-1") is None
        assert shown(dom0, nvme, "used_by") == ["7"]
    owner.remove()
    wait_idle(dom0, igb)
    wait_idle(dom0, nvme)
    dom0.check(f"{unbind}; echo {bridge} >{DRIVER}/remove_slot; echo {bridge} >/sys/bus/pci/drivers_probe")


@IN_PV
@pytest.mark.klog_allow("which may still reach it", "is not exported")
def test_released_and_claimed_anew_while_used(dom0: Dom0, claimed: list[str]) -> None:
    """A device that is unbound and claimed anew is still its guest's, as long as the toolstack says so."""
    igb = claimed[0]
    guest = PciBackend(dom0, 7)
    guest.create(igb)
    guest.wait("state", INITIALISED)
    dom0.check(f"echo {igb} >{DRIVER}/unbind; echo {igb} >{DRIVER}/bind")
    wait_shown(dom0, igb, "used_by", "7")
    assert shown(dom0, igb, "state") == ["used"]
    other = PciBackend(dom0, 8)
    other.create(igb)
    other.wait("state-0", CLOSED)
    assert "another domain" in other.error()
    other.remove()
    assert shown(dom0, igb, "used_by") == ["7"]
    guest.remove()
    wait_idle(dom0, igb)
    assert shown(dom0, igb, "state") == ["clean"]
    # Released for good: what it is then is nothing of that guest's.
    guest = PciBackend(dom0, 7)
    guest.create(igb)
    guest.wait("state", INITIALISED)
    dom0.check(f"echo {igb} >{DRIVER}/unbind; echo {igb} >{DRIVER}/bind")
    wait_shown(dom0, igb, "used_by", "7")
    dom0.check(f"echo {igb} >{DRIVER}/unbind")
    guest.remove()
    # A write to do_flr has all lists looked at.
    dom0.check(f"echo {claimed[1]} >{DRIVER}/do_flr; echo {igb} >{DRIVER}/bind")
    assert shown(dom0, igb, "used_by", "state") == ["none", "clean"]


@IN_PV
def test_the_next_guest_waits_for_the_last(dom0: Dom0, claimed: list[str]) -> None:
    """A guest's devices are listed for the next one before they are clean, as when it is rebooted: that
    one has them, cleaned, and not an error."""
    bdfs = claimed[:2]
    last = PciBackend(dom0, 7)
    last.create(*bdfs)
    last.wait("state", INITIALISED)
    for domain in range(8, 11):
        following = PciBackend(dom0, domain)
        dom0.check(f"xenstore-rm {last.back}")
        following.create(*bdfs)
        following.wait("state", INITIALISED)
        assert following.error() == ""
        for bdf in bdfs:
            assert shown(dom0, bdf, "used_by", "state") == [str(domain), "used"]
        last = following
    last.remove()
    for bdf in bdfs:
        wait_idle(dom0, bdf)


@IN_PV
def test_settings_end_with_the_use(dom0: Dom0, claimed: list[str]) -> None:
    """What was allowed to one guest is not allowed to the next."""
    igb = claimed[0]
    dom0.check(f"cd {DRIVER}; echo {igb} >permissive; echo {igb} >allow_interrupt_control")
    dom0.check(f"cd {DRIVER}; echo {igb}-40:2:ff >quirks; echo {igb} >irq_handler_state")
    guest = PciBackend(dom0, 7)
    guest.create(igb)
    guest.wait("state", INITIALISED)
    assert dom0.check(f"cat {DRIVER}/permissive {DRIVER}/allow_interrupt_control").split() == [igb, igb]
    assert "\t\t00000040:2:000000ff\n" in dom0.check(f"cat {DRIVER}/quirks")
    assert f"{igb}:on:acking:0\n" in dom0.check(f"cat {DRIVER}/irq_handlers")
    guest.remove()
    wait_idle(dom0, igb)
    assert dom0.check(f"cat {DRIVER}/permissive {DRIVER}/allow_interrupt_control") == ""
    assert "\t\t" not in dom0.check(f"cat {DRIVER}/quirks")
    assert f"{igb}:off:not acking:0\n" in dom0.check(f"cat {DRIVER}/irq_handlers")


@IN_PV
def test_the_toolstack_closes(dom0: Dom0, claimed: list[str]) -> None:
    """online=0 and state=5, and the backend closes; the module cannot go before."""
    igb = claimed[0]
    guest = PciBackend(dom0, 7)
    guest.create(igb)
    guest.wait("state", INITIALISED)
    assert not dom0.run("rmmod rust_pciback").ok
    guest.set(online=0, state=CLOSING)
    guest.wait("state", CLOSED)
    assert shown(dom0, igb, "used_by", "state") == ["none", "clean"]
    guest.remove()


@IN_PV
def test_nobody_removes_the_directory(dom0: Dom0, claimed: list[str]) -> None:
    """The toolstack is gone, like the guest: the backend removes its directory, and the one of the domain."""
    igb = claimed[0]
    guest = PciBackend(dom0, 7)
    guest.create(igb)
    guest.wait("state", INITIALISED)
    dom0.check("xenstore-rm /local/domain/7")
    guest.set(online=0)
    wait_idle(dom0, igb)
    wait_until(dom0, "! xenstore-exists /local/domain/0/backend/pci/7")
    assert shown(dom0, igb, "state") == ["clean"]


@IN_PV
def test_a_guest_is_there_before_the_driver(dom0: Dom0) -> None:
    """The driver is loaded, by hide=, when a guest's devices are listed already; and unbound from
    xenbus's device while they are in use, which they stay."""
    igb = dom0.bdf("igb0")
    guest = PciBackend(dom0, 7)
    guest.create(igb)
    dom0.check(f"echo {igb} >/sys/bus/pci/drivers/igb/unbind; insmod /root/rust_pciback.ko 'hide=({igb})'")
    guest.wait("state", INITIALISED)
    assert shown(dom0, igb, "used_by") == ["7"]
    dom0.check("echo pci-7-0 >/sys/bus/xen-backend/drivers/pciback/unbind")
    guest.wait("state", CLOSED)
    assert shown(dom0, igb, "used_by") == ["7"]
    assert not dom0.run("rmmod rust_pciback").ok, "nobody would know of the use"
    dom0.check("echo pci-7-0 >/sys/bus/xen-backend/drivers/pciback/bind")
    assert shown(dom0, igb, "used_by") == ["7"]
    guest.remove()
    wait_idle(dom0, igb)
    assert shown(dom0, igb, "state") == ["clean"]
    wait_until(dom0, "rmmod rust_pciback 2>/dev/null")
    dom0.check(f"echo {igb} >/sys/bus/pci/drivers_probe")


@IN_PV
@pytest.mark.parametrize("claimed", ["passthrough=1"], indirect=True)
def test_real_addresses(dom0: Dom0, claimed: list[str]) -> None:
    """With passthrough=1 a guest sees its devices where they are, each bus a root."""
    igb, nvme, _ = claimed
    guest = PciBackend(dom0, 7)
    guest.create(igb)
    guest.wait("state", INITIALISED)
    guest.add(nvme)
    guest.wait("state-1", INITIALISED)
    assert guest.read("vdev-0") == igb.replace(".0", ".00")
    assert guest.read("vdev-1") == nvme.replace(".0", ".00")
    assert [guest.read(f"root-{n}") for n in range(3)] == [igb[:7], nvme[:7], None]
    assert guest.read("root_num") == "2"
    guest.remove()
    wait_idle(dom0, igb)
    wait_idle(dom0, nvme)


@pytest.mark.dom0("shared", "pvh", "pv", xl=True, seldom="pvh")
@pytest.mark.klog_allow("reset_device: not reset", "given back by domain")
def test_functions_of_one_card(dom0: Dom0, card: list[str], part: Parts) -> None:
    """One guest's functions are reset together when it ends. Those of two guests can't be: the one that is
    given back stays used, and says what is in the way, until the other is back too."""
    one, two = card
    guest = PciBackend(dom0, 7)
    guest.create(one)
    guest.wait("state", INITIALISED)
    guest.add(two)
    guest.wait("state-1", INITIALISED)
    with part("where the guest sees them"):
        assert [guest.read("vdev-0"), guest.read("vdev-1")] == ["0000:00:00.00", "0000:00:00.01"]
    with part("do_flr, as libxl does it"):
        # The guest still has both: whether it keeps one isn't known yet.
        assert dom0.check(f"printf {one} | /tests/pbtool write {DRIVER}/do_flr") == "16\n"
    guest.remove()
    wait_idle(dom0, one)
    wait_idle(dom0, two)
    with part("both are reset by one reset"):
        facts = [shown(dom0, bdf, "state", "last_reset_method", "last_reset_time_us") for bdf in (one, two)]
        assert facts[0] == facts[1]
        assert facts[0][:2] == ["clean", "slot"]
    # One each.
    guests = [PciBackend(dom0, domain) for domain in (7, 8)]
    for guest, bdf in zip(guests, (one, two), strict=True):
        guest.create(bdf)
        guest.wait("state", INITIALISED)
    with part("what is in the way of a reset"):
        assert dom0.check(f"cat /sys/bus/pci/devices/{one}/pciback/reset_blockers") == f"{two} domain 8\n"
    guests[0].remove()
    wait_idle(dom0, one)
    with part("the function that is given back first"):
        assert shown(dom0, one, "state", "assignable") == ["used", "with-warning"]
    with part("the function of the other guest"):
        assert shown(dom0, two, "used_by", "state") == ["8", "used"]
    guests[1].remove()
    wait_idle(dom0, two)
    assert [shown(dom0, bdf, "state") for bdf in (one, two)] == [["clean"], ["clean"]]
