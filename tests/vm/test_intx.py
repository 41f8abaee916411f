# SPDX-License-Identifier: GPL-2.0
"""A PV guest uses a device by its pin, on a line that a driver of dom0 has too."""

import re
from collections.abc import Callable, Iterator

import pytest
from lab.endpoint import NVME
from lab.guest import Guest
from lab.machine import Dom0
from lab.paths import DEBUG
from lab.pciback import DEVICES, DRIVER, FAULTS, load
from lab.stub import RUST
from lab.until import until

pytestmark = pytest.mark.tier("all")
#: How many blocks the guest reads, each by an interrupt of its own.
READS = 2000


@pytest.fixture
def irq(dom0: Dom0) -> Iterator[str]:
    """dom0's interrupt of the disk's line, which a network card of dom0 has a handler for.

    A PVH dom0 must be a fresh one: Xen gives a PVH dom0 no line on which a device was claimed before
    (Documentation/admin-guide.md, "A driver of a PVH dom0 gets no interrupts").
    """
    dom0.check("modprobe e1000")
    dom0.plug("e1000", "line0", "rp-line")
    card = dom0.bdf("line0")
    dom0.check(until(f"[ -d {DEVICES}/{card}/net ]", 30), 60)
    name = dom0.check(f"ls {DEVICES}/{card}/net").strip()
    dom0.check(f"ip link set {name} up")
    yield dom0.check(f"basename $(dirname /proc/irq/*/{name})").strip()
    dom0.unplug("line0")


def same_line(dom0: Dom0) -> bool:
    """Whether the disk and the card have the same GSI."""
    cards = (dom0.bdf("line0"), dom0.bdf(NVME.name))
    return len({dom0.check(f"cat {DEVICES}/{bdf}/gsi") for bdf in cards}) == 1


def count_of(irq: str) -> str:
    """A command that prints how many interrupts of the line dom0 has had."""
    return f"sed -n 's/^ *{irq}: *\\([0-9]*\\).*/\\1/p' /proc/interrupts"


def counted(dom0: Dom0, irq: str) -> int:
    """How many that are by now."""
    return int(dom0.check(count_of(irq)))


def last_unhandled(dom0: Dom0, irq: str) -> int:
    """When the last came that no handler took, in milliseconds.

    How many, the kernel counts only as long as no 100 ms are between them: not at all on a slow machine.
    """
    found = re.search(r"last_unhandled (\d+) ms", dom0.check(f"cat /proc/irq/{irq}/spurious"))
    assert found
    return int(found[1])


def taken(dom0: Dom0, bdf: str) -> int:
    """How many were taken for the guest's."""
    found = re.search(rf"^{bdf}:(on|off):(not )?acking:(\d+)$", dom0.check(f"cat {DRIVER}/irq_handlers"), re.MULTILINE)
    assert found
    return int(found[3])


def read(guest: Guest, slot: str) -> None:
    """Read many blocks of the disk."""
    disk = f"/dev/$(basename $(ls -d /sys/bus/pci/devices/{slot}/nvme/nvme*/nvme*n1))"
    guest.check(f"dd if={disk} of=/dev/null bs=512 count={READS} iflag=direct", 300)


def card_works(dom0: Dom0, irq: str) -> None:
    """dom0's card sends something and gets an interrupt for it."""
    name = dom0.check(f"ls {DEVICES}/{dom0.bdf('line0')}/net").strip()
    sent = f"cat /sys/class/net/{name}/statistics/tx_packets; {count_of(irq)}"
    before = [int(number) for number in dom0.check(sent).split()]
    # Debug kernels have no IPv6. Nobody answers, but asks have been sent.
    dom0.check(f"ip link set {name} down; ip link set {name} up; ip addr replace 192.0.2.1/24 dev {name}")
    dom0.check(until(f'[ "$(cat /sys/class/net/{name}/carrier)" = 1 ]', 30), 60)
    dom0.check("ping -c 1 -W 1 192.0.2.2; true")
    changed = f"set -- $({sent}) && [ $1 -gt {before[0]} ] && [ $2 -gt {before[1]} ]"
    dom0.check(until(changed, 30), 60)


@pytest.mark.dom0("guest", "pvh", "pv", xl=True, fresh="pvh")
def test_a_line_that_dom0_has_too(dom0: Dom0, irq: str, figure: Callable[[str], None]) -> None:
    """dom0 takes the guest's interrupts for the guest's. Without that they are nobody's, and of 100,000 such the
    kernel would turn the line off."""
    identity, bdf = NVME.in_dom0(dom0), dom0.bdf(NVME.name)
    RUST.load(dom0)
    assert same_line(dom0)
    dom0.check(f"xl pci-assignable-add {bdf}")
    guest = Guest(dom0, "pv", [bdf], cmdline="pci=nomsi", kind="pv", cold=False).create()
    slot = NVME.in_guest(guest)
    assert f"{bdf}:on:acking:" in dom0.check(f"cat {DRIVER}/irq_handlers")
    interrupts = "cat /proc/interrupts; dmesg | tail -20"
    assert taken(dom0, bdf) > 0, f"guest:\n{guest.check(interrupts)}\ndom0:\n{dom0.check(interrupts)}"
    before, begun = counted(dom0, irq), taken(dom0, bdf)
    read(guest, slot)
    came, handled = counted(dom0, irq) - before, taken(dom0, bdf) - begun
    assert came - handled <= READS // 100
    assert handled >= READS // 5, "in a PVH dom0 Xen merges many"
    # The control: what they are without the handler.
    dom0.check(f"echo {bdf} >{DRIVER}/irq_handler_state")
    assert f"{bdf}:off:acking:" in dom0.check(f"cat {DRIVER}/irq_handlers")
    before, begun, last = counted(dom0, irq), taken(dom0, bdf), last_unhandled(dom0, irq)
    read(guest, slot)
    unhandled = counted(dom0, irq) - before
    assert unhandled >= READS // 5
    assert taken(dom0, bdf) == begun
    assert last_unhandled(dom0, irq) > last
    figure(f"{READS} reads: {handled} of {came} interrupts taken; without the handler none of {unhandled}")
    guest.destroy()
    RUST.wait_idle(dom0, bdf)
    assert f"{bdf}:off:not acking:0" in dom0.check(f"cat {DRIVER}/irq_handlers")
    RUST.check_clean(dom0, bdf)
    dom0.check(f"xl pci-assignable-remove -r {bdf}")
    assert NVME.in_dom0(dom0) == identity
    RUST.unload(dom0)


@pytest.mark.dom0("guest", "pvh", "pv", xl=True, fresh="pvh")
def test_a_storm(dom0: Dom0, irq: str) -> None:
    """Interrupts that come too fast (for this test build): the device loses its pin, dom0 not its card's line."""
    if DEBUG and dom0.flavour == "pvh":
        pytest.skip("so slow that the guest has ended each interrupt before dom0 looks")
    identity, bdf = NVME.in_dom0(dom0), dom0.bdf(NVME.name)
    load(dom0, "storm_limit=0", module=FAULTS)
    dom0.check(f"xl pci-assignable-add {bdf}")
    guest = Guest(dom0, "pv", [bdf], cmdline="pci=nomsi", kind="pv", cold=False).create()
    slot = NVME.in_guest(guest)
    told = f"{bdf}: domain {guest.domid}: INTx is off"
    assert not dom0.run(f"dmesg | grep -q '{told}'").ok
    dom0.check("echo 50 >/sys/module/rust_pciback/parameters/storm_limit")
    disk = f"/dev/$(basename $(ls -d /sys/bus/pci/devices/{slot}/nvme/nvme*/nvme*n1))"
    guest.check(f"dd if={disk} of=/dev/null bs=512 iflag=direct >/dev/null 2>&1 &")
    dom0.check(until(f"dmesg | grep -q '{told}'", 60), 90)
    assert int(dom0.check(f"setpci -s {bdf} COMMAND"), 16) & 0x400, "INTx Disable is set"
    # A reset, which the administrator may have done under the guest, doesn't turn it on.
    dom0.check(f"echo {bdf} >/sys/bus/pci/drivers/pciback/reset_device")
    assert int(dom0.check(f"setpci -s {bdf} COMMAND"), 16) & 0x400, "INTx Disable is set after a reset"
    card_works(dom0, irq)
    guest.destroy()
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    # The next guest has it anew. (QEMU's nvme keeps its pin on when it is reset meanwhile, and on slow machines
    # that is a storm without end, which dom0 outlives. The guest's driver looks at its disk after 30 s then.)
    dom0.check("echo 0 >/sys/module/rust_pciback/parameters/storm_limit")
    guest = Guest(dom0, "pv", [bdf], cmdline="pci=nomsi", kind="pv", cold=False).create()
    assert NVME.identity(guest, NVME.in_guest(guest)) == identity
    guest.destroy()
    RUST.wait_idle(dom0, bdf)
    card_works(dom0, irq)
    dom0.check(f"xl pci-assignable-remove -r {bdf}")
    assert NVME.in_dom0(dom0) == identity
    RUST.unload(dom0)
