# SPDX-License-Identifier: GPL-2.0
"""Claimed devices that come and go."""

import pytest
from lab.machine import Dom0
from lab.pciback import DRIVER, claim, load, unload


def sysfs(bdf: str) -> str:
    """The directory of a device."""
    return f"/sys/bus/pci/devices/{bdf}"


@pytest.mark.core
@pytest.mark.dom0("main", "pvh", "pv")
def test_unplug_claimed(dom0: Dom0) -> None:
    """A claimed device is asked back: released, and gone; the next one in its place
    is claimed by its slot, without being told."""
    dom0.check("modprobe e1000")  # an older driver, which is asked before the stub
    load(dom0)
    dom0.plug("e1000", "guest0", "rp-spare")
    bdf = dom0.bdf("guest0")
    dom0.wait_path(f"{sysfs(bdf)}/config")
    claim(dom0, bdf)
    mark = dom0.console.mark()
    dom0.unplug("guest0")
    dom0.wait_path(sysfs(bdf), there=False)
    assert dom0.console.wait_for(f"pciback {bdf}: released", 10, mark)
    assert dom0.run(f"echo {bdf} >{DRIVER}/reset_device").status != 0

    dom0.plug("e1000", "guest1", "rp-spare")
    assert dom0.bdf("guest1") == bdf
    dom0.wait_path(f"{sysfs(bdf)}/pciback")
    dom0.check(f"test $(cat {sysfs(bdf)}/gsi) -ge 16")
    dom0.unplug("guest1")
    unload(dom0)


@pytest.mark.core
@pytest.mark.dom0("main", "pvh", "pv")
def test_gsi_of_a_newcomer(dom0: Dom0) -> None:
    """A device that comes after the module has a `gsi` file, and takes it along."""
    load(dom0)
    dom0.plug("e1000", "guest0", "rp-spare")
    bdf = dom0.bdf("guest0")
    dom0.wait_path(f"{sysfs(bdf)}/gsi")
    port = dom0.bdf("rp-spare")
    # Device 0 behind a root port: the pin goes through unturned.
    assert dom0.check(f"cat {sysfs(bdf)}/gsi") == dom0.check(f"cat {sysfs(port)}/gsi")
    dom0.unplug("guest0")
    dom0.wait_path(sysfs(bdf), there=False)
    unload(dom0)


@pytest.mark.klog_allow("existing mapping", "Setup of vPCI failed: -17")
@pytest.mark.dom0("main")
def test_refused_newcomer_is_offered_again(dom0: Dom0) -> None:
    """Xen 4.20 refuses a newcomer with MSI-X: its BARs are still 0 when Linux tells of
    it. A claim comes later, offers it again, and Xen takes it."""
    load(dom0)
    mark = dom0.console.mark()
    dom0.plug("nvme", "guest0", "rp-spare", serial="late")
    bdf = dom0.bdf("guest0")
    dom0.wait_path(f"{sysfs(bdf)}/config")
    assert dom0.console.wait_for("Setup of vPCI failed: -17", 10, mark)
    dom0.sync_console("the claim")
    mark = dom0.console.mark()
    claim(dom0, bdf)
    assert dom0.check(f"cat {sysfs(bdf)}/pciback/state") == "clean\n"
    assert dom0.check(f"cat {sysfs(bdf)}/pciback/last_reset_xen") == "told\n"
    dom0.check(f"echo {bdf} >{DRIVER}/reset_device")
    dom0.sync_console("claimed")
    assert not any("vPCI failed" in line for line in dom0.console.since(mark))
    dom0.unplug("guest0")
    dom0.wait_path(sysfs(bdf), there=False)
    unload(dom0)


@pytest.mark.core
@pytest.mark.dom0("main", "pvh")  # In a PV dom0 the kernel waits a minute for the igb.
@pytest.mark.usefixtures("discard")
def test_surprise_removal(dom0: Dom0) -> None:
    """A claimed device stops answering and is then pulled out: its reset fails in the
    minute that the kernel waits for a slot, and its removal leaves nothing behind."""
    load(dom0)
    bdf = dom0.bdf("igb0")
    claim(dom0, bdf)
    before = dom0.check(f"cd {sysfs(bdf)}; od -An -tx1 -N 4 config")

    dom0.slot_power("rp-igb0", on=False)
    assert dom0.check(f"od -An -tx1 -N 4 {sysfs(bdf)}/config").split() == ["ff"] * 4
    # FLR is not tried. The slot reset is: it could bring the device back.
    dead = ("5\n", "110\n")  # EIO, ETIMEDOUT
    result = dom0.run(f"printf {bdf} | /tests/pbtool write {DRIVER}/reset_device", seconds=100)
    assert result.out in dead
    assert dom0.check(f"cat {sysfs(bdf)}/pciback/state") == "failed\n"
    dom0.slot_power("rp-igb0", on=True)
    assert dom0.check(f"od -An -tx1 -N 4 {sysfs(bdf)}/config") == before
    dom0.check(f"echo {bdf} >{DRIVER}/reset_device")
    assert dom0.check(f"cat {sysfs(bdf)}/pciback/state") == "clean\n"

    # From a slot without power QEMU takes a device at once and tells nobody: QEMU's
    # ports announce a removal by their button only.
    dom0.slot_power("rp-igb0", on=False)
    dom0.unplug("igb0", seconds=10)
    assert dom0.run(f"printf {bdf} | /tests/pbtool write {DRIVER}/reset_device", seconds=100).out in dead
    mark = dom0.console.mark()
    dom0.check(f"echo 1 >{sysfs(bdf)}/remove", seconds=10)
    assert dom0.console.wait_for(f"pciback {bdf}: released: the device is gone", 10, mark)
    assert dom0.run(f"printf {bdf} | /tests/pbtool write {DRIVER}/reset_device").out == "19\n", "ENODEV"
    unload(dom0)


@pytest.mark.dom0("nested", "pvh", "pv", seldom="pvh")
@pytest.mark.usefixtures("discard")
def test_hotplug_below_a_reset_bus(dom0: Dom0) -> None:
    """A bus reset of a card with a switch: the switch's ports raise hot-plug interrupts on,
    for a device that goes and one that comes, and the endpoints work."""
    dom0.run("rmmod e1000")  # an older driver would be asked before the stub
    load(dom0)
    names = ("side0", "nvme0", "deep0")
    for name in names:
        claim(dom0, dom0.bdf(name))
    side, deep, port = dom0.bdf("side0"), dom0.bdf("deep0"), dom0.bdf("sw0-dp1")
    config = f"od -An -v -tx1 {sysfs(port)}/config"
    before = dom0.check(config)
    dom0.check(f"echo {side} >{DRIVER}/reset_device")
    for name in names:
        assert dom0.check(f"cat {sysfs(dom0.bdf(name))}/pciback/last_reset_method") == "bus\n"
    assert dom0.check(config) == before, "the port's registers"

    mark = dom0.console.mark()
    dom0.unplug("deep0")  # asks by the port's button: dom0 answers the interrupt
    dom0.wait_path(sysfs(deep), there=False)
    assert dom0.console.wait_for(f"pciback {deep}: released", 10, mark)
    dom0.plug("e1000", "guest0", "sw0-dp1")  # conventional: no MSI-X for Xen to refuse
    dom0.wait_path(sysfs(deep))
    # Its slot is listed still, so it is claimed, and the next reset reaches it.
    dom0.wait_path(f"{sysfs(deep)}/pciback")
    dom0.check(f"echo {side} >{DRIVER}/reset_device")
    assert dom0.check(f"cat {sysfs(deep)}/pciback/last_reset_method") == "bus\n"
    dom0.unplug("guest0")
    dom0.wait_path(sysfs(deep), there=False)
    unload(dom0)
    for name in ("side0", "nvme0"):
        dom0.check(f"echo {dom0.bdf(name)} >/sys/bus/pci/drivers_probe")
    nvme = dom0.bdf("nvme0")
    dom0.wait_path(f"{sysfs(nvme)}/nvme/nvme0/nvme0n1")
    dom0.check("dd if=/dev/nvme0n1 of=/dev/null bs=4096 count=8 iflag=direct")
