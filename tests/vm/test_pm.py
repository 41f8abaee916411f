# SPDX-License-Identifier: GPL-2.0
"""Suspend of dom0 with claimed devices."""

from collections.abc import Iterator

import pytest
from lab.faulty_device import FaultyDevice
from lab.machine import Dom0
from lab.pciback import DRIVER, claim, give_back, load, unload
from lab.toolstack import INITIALISED, PciBackend, shown, wait_idle, wait_until

EINTR, EBUSY = 4, 16
NAMES = ("igb0", "nvme0", "e1000e0")
#: All devices go to sleep, and the kernel waits a second instead of the processors' and firmware's sleep.
#: (The next stage, `platform`, unbalances an interrupt of the kernel's own under Xen.)
NEARLY = "echo 1 >/sys/module/suspend/parameters/pm_test_delay; echo devices >/sys/power/pm_test; "
#: Its errno is printed.
SLEEP = "printf freeze | /tests/pbtool write /sys/power/state"
CONFIG = "od -An -v -tx1 /sys/bus/pci/devices/{}/config"


@pytest.fixture
def only_freezes(dom0: Dom0) -> Iterator[None]:
    """Of a suspend only the freezer is tried, which gives up after two seconds."""
    dom0.check("echo freezer >/sys/power/pm_test; echo 2000 >/sys/power/pm_freeze_timeout")
    yield
    dom0.check("echo none >/sys/power/pm_test; echo 20000 >/sys/power/pm_freeze_timeout")


@pytest.mark.dom0("main", "pvh", "pv", seldom="pvh")
def test_idle_devices_sleep(dom0: Dom0) -> None:
    """Suspend to idle, all but the last part: the configuration is what it was, and resets work."""
    load(dom0)
    bdfs = [dom0.bdf(name) for name in NAMES]
    for bdf in bdfs:
        claim(dom0, bdf)
    before = [dom0.check(CONFIG.format(bdf)) for bdf in bdfs]
    dom0.check(f"{NEARLY} echo freeze >/sys/power/state; echo none >/sys/power/pm_test", 120)
    assert [dom0.check(CONFIG.format(bdf)) for bdf in bdfs] == before
    for bdf in bdfs:
        dom0.check(f"echo {bdf} >{DRIVER}/reset_device")
        assert shown(dom0, bdf, "state") == ["clean"]
    unload(dom0)
    give_back(dom0, *bdfs)


@pytest.mark.dom0("main", "pv")
@pytest.mark.klog_allow("ACPI Error: Could not disable RealTimeClock")
@pytest.mark.usefixtures("discard")
def test_real_sleep(dom0: Dom0) -> None:
    """ACPI S3 of the host, in which the devices lose all they had."""
    load(dom0)
    bdfs = [dom0.bdf(name) for name in ("igb0", "nvme0")]
    for bdf in bdfs:
        claim(dom0, bdf)
    header = "od -An -v -tx1 -N 64 /sys/bus/pci/devices/{}/config"
    before = [dom0.check(header.format(bdf)) for bdf in bdfs]
    mark = dom0.console.mark()
    dom0.check("echo +3 >/sys/class/rtc/rtc0/wakealarm; echo mem >/sys/power/state", 120)
    assert any("Finishing wakeup from ACPI S3" in line for line in dom0.console.since(mark))
    assert [dom0.check(header.format(bdf)) for bdf in bdfs] == before
    for bdf in bdfs:
        dom0.check(f"echo {bdf} >{DRIVER}/reset_device")
        assert shown(dom0, bdf, "state") == ["clean"]
    unload(dom0)
    give_back(dom0, *bdfs)


@pytest.mark.dom0("main", "pvh", xl=True)
def test_a_guests_device_keeps_dom0_awake(dom0: Dom0) -> None:
    """Refused with EBUSY and a line that names the device, before anything sleeps; not any more when the
    guest has gone."""
    load(dom0)
    bdf = dom0.bdf("igb0")
    claim(dom0, bdf)
    guest = PciBackend(dom0, 7)
    guest.create(bdf)
    guest.wait("state", INITIALISED)
    mark = dom0.console.mark()
    assert dom0.check(NEARLY + SLEEP) == "16\n"
    dom0.sync_console("refused")
    said = [line for line in dom0.console.since(mark) if f"pciback {bdf}" in line]
    assert len(said) == 1
    assert "used by domain 7: dom0 can't sleep (-16)" in said[0]
    guest.remove()
    wait_idle(dom0, bdf)
    dom0.check(f"{SLEEP} | grep -qx 0; echo none >/sys/power/pm_test", 120)
    unload(dom0)
    give_back(dom0, bdf)


@pytest.mark.dom0("faulty_devices", "pv")
@pytest.mark.usefixtures("only_freezes")
def test_a_reset_is_over_before_dom0_sleeps(dom0: Dom0) -> None:
    """A worker is frozen: the kernel waits for its reset, in vain as long as the device isn't back."""
    names = ("faulty0", "faulty1")
    one, other = (dom0.faulty_devices[name] for name in names)
    bdfs = [dom0.bdf(name) for name in names]
    load(dom0)
    claim(dom0, *bdfs)
    other.after_flr = FaultyDevice.die
    write = f"rm -f /root/errno; printf '{' '.join(bdfs)}' | /tests/pbtool write {DRIVER}/reset_device >/root/errno &"
    waits = "grep -qs pci_dev_wait $(grep -ls kworker /proc/[0-9]*/comm | sed s/comm/stack/)"
    # This thread resets the first and that of a worker the other, unless the worker comes first.
    for _ in range(10):
        resets = one.resets, other.resets
        dom0.check("dmesg -c >/dev/null")
        dom0.check(write)
        wait_until(dom0, "dmesg | grep -q 'not ready 1023ms after FLR'")
        if dom0.run(waits).ok:
            break
        other.revive()
        wait_until(dom0, "[ -s /root/errno ]")
        assert dom0.check("cat /root/errno") == "0\n"
        one.after_flr, other.after_flr = other.after_flr, None
        one, other = other, one
    else:
        pytest.fail("no worker had the device that dies")
    assert (one.resets, other.resets) == (resets[0] + 1, resets[1] + 1)
    assert dom0.check(SLEEP) == f"{EBUSY}\n"
    said = dom0.check("dmesg")
    assert "0 tasks refusing to freeze, wq_busy=1" in said
    assert "workqueue rust_pciback:" in said
    other.revive()
    wait_until(dom0, f"! {waits} && [ -s /root/errno ]")
    assert dom0.check("cat /root/errno") == f"{EINTR}\n"
    assert dom0.check(SLEEP) == "0\n"
    other.heal()
    unload(dom0)


@pytest.mark.dom0("main", "pv", xl=True)
@pytest.mark.usefixtures("only_freezes")
def test_a_look_at_xenstore_is_over_before_dom0_sleeps(dom0: Dom0) -> None:
    """The queue on which guests are looked at is frozen: the kernel waits for what it does, in vain as long
    as xenstored doesn't answer."""
    load(dom0)
    bdf = dom0.bdf("igb0")
    xenstored = "$(cat /run/xen/xenstored.pid)"
    dom0.check("dmesg -c >/dev/null")
    dom0.check(f"kill -STOP {xenstored}")
    try:
        claim(dom0, bdf)  # so that all lists are looked at
        wait_until(dom0, "grep -qs rust_pciback /proc/[0-9]*/stack")
        assert dom0.check(SLEEP) == f"{EBUSY}\n"
        said = dom0.check("dmesg")
    finally:
        dom0.check(f"kill -CONT {xenstored}")
    assert "0 tasks refusing to freeze, wq_busy=1" in said
    assert "workqueue rust_pciback_backend" in said
    assert dom0.check(SLEEP) == "0\n"
    unload(dom0)
    give_back(dom0, bdf)
