# SPDX-License-Identifier: GPL-2.0
"""A device that a guest had is as it was, by the emulator's own record; and Linux's selftests of vfio work with it.

tools/testing/selftests/vfio of Linux 7.3, which has a driver for the igb, with vfio of the stock kernel. They need
an IOMMU, which Xen leaves to no dom0. So they are run in a machine without Xen, whose device at the same address is
given all that the emulator had of the first one. vfio resets a device before each test: the suite says that what no
reset touches does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import klog
from lab.device_state import device_state, restore, save
from lab.endpoint import IGB
from lab.guest import Guest
from lab.machine import Dom0
from lab.paths import CACHE, DEBUG
from lab.pciback import DEVICES
from lab.stock_module import insert_stock_modules
from lab.stub import RUST, config_space

#: As tools/build vfio-selftests makes them.
PROGRAMS = CACHE / "build" / "vfio"
#: Debian's kernel has no iommufd.
WITHOUT_IOMMUFD = re.compile(r"vfio_cdev\.|\.iommufd")
#: QEMU's default for the first card.
MAC = "52:54:00:12:34:56"
#: How many must pass: those of the two type 1 modes, and those that have no mode.
LEAST = 55

#: Fields of the emulator's igb that no reset of it touches (hw/net/igb_core.c: igb_reset), by their place from the
#: end (hw/net/igb.c: igb_vmstate): rx_desc_len, eitr_guest_value, of each of 16 queues first_cmd_type_len and
#: first_olinfo_status, timadj.
TIMADJ = 8
QUEUES, QUEUE, FIRST = 16, 42, 32
#: Interrupt vectors.
VECTORS = 25
EITR = TIMADJ + QUEUES * QUEUE + VECTORS * 4
#: The permanent address ends here: after it are 9 bytes for each vector.
MAC_END = EITR + VECTORS * 9
RX_DESC_LEN = MAC_END + 6 + 0x8000 * 4 + 32 * 2 + 1024 * 2 + 1
NEVER_RESET = {
    *range(1, TIMADJ + 1),
    *(TIMADJ + QUEUES * QUEUE - n * QUEUE - FIRST - byte for n in range(QUEUES) for byte in range(8)),
    *range(EITR - VECTORS * 4 + 1, EITR + 1),
    RX_DESC_LEN,
}


class Bare(Dom0):
    """The same machine without Xen, with its IOMMU in use; or one that goes on where that was saved."""

    def __init__(self, like: Dom0, saved: Path | None = None) -> None:
        self._saved = saved
        #: Of the card, before the machine has gone on: its link comes up by itself half a second later.
        self.state = b""
        name = "vfio-selftests" + ("-saved" if saved else "")
        super().__init__(like.topology, "bare", kernel="intel_iommu=on no_timer_check", name=name)

    def _command(self, fds: list[int]) -> list[str]:
        incoming = ["-S", "-incoming", "defer"] if self._saved else []
        return [*super()._command(fds), "-device", "intel-iommu,intremap=on", *incoming]

    def _wait_ready(self) -> None:
        if not self._saved:
            super()._wait_ready()
            return
        restore(self, self._saved)
        self.state = device_state(self, "igb")
        # Agents have greeted already.
        for channel in range(self.CHANNELS):
            self.check("true", 240, channel)


def differences(one: bytes, other: bytes) -> set[int]:
    """Where they differ, in bytes from the end, besides what no reset touches."""
    length = len(one)
    found = {length - n for n, (a, b) in enumerate(zip(one, other, strict=True)) if a != b}
    return found - NEVER_RESET


def selftests(machine: Dom0, bdf: str) -> dict[str, str]:
    """Run the suite on a device; returns the result of each test."""
    folder = f"{DEVICES}/{bdf}"
    machine.check(f"echo vfio-pci >{folder}/driver_override; echo {bdf} >/sys/bus/pci/drivers/vfio-pci/bind")
    results: dict[str, str] = {}
    for program in sorted(PROGRAMS.glob("vfio_*_test")):
        machine.put(program, f"/root/{program.name}")
        said = machine.run(f"/root/{program.name} {bdf} 2>&1", 300).out
        found = re.findall(r"^(ok|not ok) \d+ ([\w.]+)(.*# SKIP)?", said, re.MULTILINE)
        plan = re.search(r"^1\.\.(\d+)$", said, re.MULTILINE)
        planned = int(plan[1]) if plan else -1
        assert planned == len(found), f"{program.name} has not run to its end: {said[-1000:]}"
        for result, name, skipped in found:
            results[name] = "skipped" if skipped else "passed" if result == "ok" else "failed"
    machine.check(f"echo {bdf} >/sys/bus/pci/drivers/vfio-pci/unbind; echo >{folder}/driver_override")
    return results


@pytest.mark.tier("all")
@pytest.mark.skipif(bool(DEBUG), reason="the suite is of the stock kernel")
@pytest.mark.dom0("vfio", "pv", xl=True)
def test_as_never_touched(dom0: Dom0, figure: Callable[[str], None], tmp_path: Path) -> None:
    """Claimed, reset, used by a guest and released."""
    bdf = dom0.bdf(IGB.name)
    before = device_state(dom0, "igb")
    # Where the fields are is known from the end.
    address = slice(-(MAC_END + 6), -MAC_END)
    assert before[address] == bytes.fromhex(MAC.replace(":", ""))
    RUST.load(dom0)
    dom0.check(f"xl pci-assignable-add {bdf}; echo {bdf} >/sys/bus/pci/drivers/pciback/reset_device")
    guest = Guest(dom0, "vfio", [bdf]).create()
    assert IGB.use(guest, IGB.in_guest(guest)) > 0
    in_use = differences(before, device_state(dom0, "igb"))
    assert in_use, "the guest has used it"
    guest.destroy()
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    assert not differences(before, device_state(dom0, "igb")), "the next guest would get it so"
    dom0.check(f"xl pci-assignable-remove {bdf}")
    RUST.unload(dom0)
    after = device_state(dom0, "igb")
    assert not differences(before, after)

    with Bare(dom0) as machine:
        assert machine.bdf(IGB.name) == bdf
        machine.check("echo 16 >/proc/sys/vm/nr_hugepages")
        insert_stock_modules(machine, "irqbypass", "vfio", "vfio_iommu_type1", "vfio-pci-core", "vfio-pci")
        machine.check("echo 1 >/sys/module/vfio_pci/parameters/enable_sriov")
        untouched = selftests(machine, bdf)
        config = config_space(machine, bdf)
        klog.check(machine.console.since())
        save(machine, tmp_path / "saved", "igb", after)
    with Bare(dom0, tmp_path / "saved") as machine:
        (tmp_path / "saved").unlink()
        assert machine.state == after
        assert config_space(machine, bdf) == config
        given = selftests(machine, bdf)
        klog.check(machine.console.since())
    passed = [name for name, result in given.items() if result == "passed"]
    figure(f"{len(in_use)} bytes that a reset touches differ in use, none after")
    figure(f"{len(passed)} tests passed, of {len(given)}")
    assert given == untouched
    assert len(passed) >= LEAST, given
    assert not [name for name, result in given.items() if result == "failed" and not WITHOUT_IOMMUFD.search(name)]
