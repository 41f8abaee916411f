# SPDX-License-Identifier: GPL-2.0
"""What is measured, in a dom0 that was booted for it, for both drivers in turn."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from lab import stub
from lab.config_trace import lives, without_drivers
from lab.machine import Dom0
from lab.memory import in_slabs
from lab.topology import Topology
from samples import Samples
from sizes import MODULES

PCI = "/sys/bus/pci/devices"
DRIVER = "/sys/bus/pci/drivers/pciback"
#: How many virtual functions are claimed, reset and released. All that any needs are there each time: the
#: emulator takes longer for each access that turns decode on or off, the more devices it has.
COUNTS = (1, 8, 32, 64, 120)
#: The C driver takes them one after the other, so that more of them say nothing new.
MOST_OF_C = 64
#: Endpoints in the PVH dom0.
ENDPOINTS = 16
#: What concerns one device is short, and so done more often in each round.
REPEAT = 5
READS = 20000
#: The file by which libxl asks for a reset.
DO_FLR = "reset 1 by do_flr"


@dataclass(frozen=True)
class Driver:
    """A driver under measurement."""

    name: str
    file: str
    module: str


C = Driver("C", "/root/xen-pciback.ko", "xen_pciback")
RUST = Driver("Rust", "/root/rust_pciback.ko", "rust_pciback")


class Bench:
    """One boot of a dom0 and what is measured in it."""

    def __init__(self, dom0: Dom0, samples: Samples, swapped: bool) -> None:
        self.dom0, self.samples = dom0, samples
        self.drivers = (RUST, C) if swapped else (C, RUST)

    def watch(self, what: str, fail: bool = True) -> dict[str, int]:
        """Have the stopwatch time something."""
        raw: dict[str, int] = json.loads(self.dom0.check(f"/tests/stopwatch {what}", 120))
        assert not (fail and raw["errno"]), f"errno {raw['errno']} of: {what}"
        return raw

    def load(self, driver: Driver, devices: list[str]) -> dict[str, int]:
        """Load a driver that claims these."""
        hide = "hide=" + "".join(f"({place})" for place in short(devices)) if devices else ""
        return self.watch(f"load {driver.file} '{hide}'")

    def unload(self, driver: Driver) -> dict[str, int]:
        """Unload it."""
        return self.watch(f"unload {driver.module}")

    def claimed(self) -> int:
        """How many devices are claimed."""
        return int(self.dom0.check(f"ls {DRIVER} | grep -c ^0000: || true"))

    def prepare(self) -> None:
        """Both modules as distributions ship them, without symbols for debuggers, and loaded once."""
        self.dom0.put_tests()
        # As distributions have it: a line on the emulated serial port takes 5 ms.
        self.dom0.check("dmesg -n 4")
        for driver, file in ((C, "xen-pciback.ko"), (RUST, "rust_pciback.ko")):
            self.dom0.put(MODULES / file, driver.file)
            self.load(driver, [])
            self.unload(driver)

    def blocks(self) -> int:
        """How many blocks of code the emulator has translated."""
        found = re.search(r"TB count\s+(\d+)", self.dom0.qmp.human("info jit"))
        assert found
        return int(found[1])


def virtual_functions(dom0: Dom0, name: str, count: int) -> list[str]:
    """Make virtual functions that no driver takes."""
    pf = f"{PCI}/{dom0.bdf(name)}"
    auto = f"{pf}/sriov_drivers_autoprobe"
    dom0.check(f"echo 0 >{auto}; echo {count} >{pf}/sriov_numvfs; echo 1 >{auto}")
    return dom0.check(f"for i in $(seq 0 {count - 1}); do basename $(readlink {pf}/virtfn$i); done").split()


def short(devices: list[str]) -> list[str]:
    """The same, with a wildcard for each whole slot of eight: a module's parameter has 1,024 bytes."""
    slots: dict[str, list[str]] = {}
    for bdf in devices:
        slots.setdefault(bdf.rpartition(".")[0], []).append(bdf)
    return [place for slot, bdfs in slots.items() for place in ([f"{slot}.*"] if len(bdfs) == 8 else bdfs)]


def counts(driver: Driver) -> list[int]:
    """How many devices are tried with a driver."""
    return [count for count in COUNTS if driver is RUST or count <= MOST_OF_C]


def in_pv(bench: Bench) -> None:
    """Virtual functions in a PV dom0."""
    dom0, samples = bench.dom0, bench.samples
    bench.prepare()
    vfs = virtual_functions(dom0, "nvme0", max(COUNTS))
    for _ in range(REPEAT):
        samples.add("one FLR: pci's reset", "none", bench.watch(f"write 1 {PCI}/{vfs[0]}/reset"))
    for driver in bench.drivers:
        for _ in range(REPEAT):
            samples.add("load, nothing to claim", driver.name, bench.load(driver, []))
            samples.add("unload, nothing claimed", driver.name, bench.unload(driver))
        for count in counts(driver):
            for _ in range(REPEAT if count == 1 else 1):
                before = bench.blocks()
                loaded = bench.load(driver, vfs[:count])
                samples.note(f"code blocks translated: claim {count} at load", driver.name, bench.blocks() - before)
                assert bench.claimed() == count, f"{driver.name} claimed {bench.claimed()} of {count}"
                samples.add(f"claim {count} at load", driver.name, loaded)
                samples.add(f"release {count} by rmmod", driver.name, bench.unload(driver))
        one_by_one(bench, driver, vfs[0])
        resets(bench, driver, vfs)
        memory(bench, driver, vfs[:MOST_OF_C])
        slots(bench, driver)
    others(bench, vfs)
    appearing(bench)


def one_by_one(bench: Bench, driver: Driver, bdf: str) -> None:
    """One device, by the files of the driver."""
    bench.load(driver, [])
    bench.watch(f"write {bdf} {DRIVER}/new_slot")
    # The emulator translates code when it runs for the first time.
    bench.samples.add("the first bind after load", driver.name, bench.watch(f"write {bdf} {DRIVER}/bind"))
    bench.samples.add("the first unbind", driver.name, bench.watch(f"write {bdf} {DRIVER}/unbind"))
    for _ in range(REPEAT):
        bench.samples.add("bind of one", driver.name, bench.watch(f"write {bdf} {DRIVER}/bind"))
        bench.samples.add("unbind of one", driver.name, bench.watch(f"write {bdf} {DRIVER}/unbind"))
    bench.unload(driver)


def resets(bench: Bench, driver: Driver, devices: list[str]) -> None:
    """Claimed devices, the C driver's by pci's attribute, one after the other."""
    bench.load(driver, devices[: max(counts(driver))])
    for count in counts(driver):
        if driver is RUST:
            what = f"write '{' '.join(devices[:count])}' {DRIVER}/reset_device"
        else:
            what = "write 1 " + " ".join(f"{PCI}/{bdf}/reset" for bdf in devices[:count])
        if count == 1:
            bench.watch(what)  # As above.
        for _ in range(REPEAT if count == 1 else 1):
            bench.samples.add(f"reset {count}", driver.name, bench.watch(what))
    for _ in range(REPEAT if driver is RUST else 0):
        bench.samples.add(DO_FLR, RUST.name, bench.watch(f"write {devices[0]} {DRIVER}/do_flr"))
    bench.unload(driver)


def others(bench: Bench, devices: list[str]) -> None:
    """What others wait for while all devices but one are reset: readers of files, and who binds the last one."""
    *many, one = devices
    bench.load(RUST, devices)
    files = {
        "state": f"{PCI}/{many[0]}/pciback/state",
        # Virtual functions have none.
        "gsi": f"{PCI}/{bench.dom0.bdf('nvme0')}/gsi",
        "slots": f"{DRIVER}/slots",
    }
    reads = "".join(f'echo {name} "$(/tests/stopwatch read 1 {file})"\n' for name, file in files.items())
    alone = bench.dom0.check(reads)
    bench.dom0.write(
        "/root/others",
        f"""/tests/stopwatch write '{" ".join(many)}' {DRIVER}/reset_device >/root/resets &
pid=$!
/tests/stopwatch write {one} {DRIVER}/unbind >/dev/null
echo bind "$(/tests/stopwatch write {one} {DRIVER}/bind)"
while kill -0 $pid 2>/dev/null; do
{reads}done
cat /root/resets
""".encode(),
        0o755,
    )
    *meanwhile, resets = bench.dom0.check("sh /root/others", 120).splitlines()
    assert json.loads(resets)["errno"] == 0
    for when, lines in ((f"while {len(many)} are reset", meanwhile), ("otherwise", alone.splitlines())):
        worst: dict[str, int] = {}
        for line in lines:
            name, _, text = line.partition(" ")
            raw = json.loads(text)
            assert not raw["errno"], line
            worst[name] = max(worst.get(name, 0), raw["wall_us"])
        for name, micros in worst.items():
            bench.samples.note(f"longest, in ms: {name} {when}", RUST.name, micros / 1000)
    bench.unload(RUST)


def memory(bench: Bench, driver: Driver, devices: list[str]) -> None:
    """What a claimed device takes."""
    bench.load(driver, [])
    before = in_slabs(bench.dom0)
    bench.unload(driver)
    bench.load(driver, devices)
    after = in_slabs(bench.dom0)
    bench.unload(driver)
    bench.samples.note("bytes for each claimed device", driver.name, (after - before) / len(devices))


def slots(bench: Bench, driver: Driver) -> None:
    """4,096 slots: 16 buses that have no devices."""
    bench.load(driver, [])
    before = in_slabs(bench.dom0)
    raws = [bench.watch(f"write '{bus:x}:*.*' {DRIVER}/new_slot") for bus in range(0x80, 0x90)]
    total = {key: sum(raw[key] for raw in raws) for key in raws[0]}
    bench.samples.add("list 4096 slots: 16 wildcards", driver.name, total)
    bench.samples.note("bytes for 4096 slots", driver.name, in_slabs(bench.dom0) - before)
    for _ in range(REPEAT):
        raw = bench.watch(f"read 1 {DRIVER}/slots")
        bench.samples.add("read slots", driver.name, raw)
    bench.samples.note("slots that are shown of 4096", driver.name, raw["bytes"] / 13)
    bench.unload(driver)


def appearing(bench: Bench) -> None:
    """Virtual functions that appear below a listed physical function."""
    dom0, count = bench.dom0, 32
    pf = dom0.bdf("nvme0")
    dom0.check(f"echo 0 >{PCI}/{pf}/sriov_numvfs", 60)
    for driver in bench.drivers:
        bench.load(driver, [])
        for bus in range(3):
            dom0.check(f"echo {int(pf[5:7], 16) + bus:x}:*.* >{DRIVER}/new_slot")
        # (The C driver has claimed them all when the write returns; the other one goes on.)
        wait = f"until [ $(ls {DRIVER} | grep -c ^0000:) = {count} ]; do usleep 1000; done"
        dom0.write("/root/appear", f"echo {count} >{PCI}/{pf}/sriov_numvfs\n{wait}\n".encode(), 0o755)
        out = dom0.check(
            "s=$(awk '{print $1}' /proc/uptime); sh /root/appear; awk -v s=$s '{print $1 - s}' /proc/uptime", 60
        )
        bench.samples.note("seconds until 32 that appear are claimed", driver.name, float(out))
        # (The C driver doesn't let go of them as long as it is there.)
        bench.unload(driver)
        dom0.check(f"echo 0 >{PCI}/{pf}/sriov_numvfs", 60)


def in_pvh(bench: Bench) -> None:
    """Endpoints in a PVH dom0, which the C driver cannot claim there."""
    dom0, samples = bench.dom0, bench.samples
    bench.prepare()
    names = [f"{side}.{function}" for side in ("left", "right") for function in range(8)]
    devices = [dom0.bdf(name) for name in names]
    for _ in range(REPEAT):
        samples.add("load, nothing to claim (PVH)", RUST.name, bench.load(RUST, []))
        bench.unload(RUST)
    # What the PCI core itself takes for them: to enable them, and to save, reset by FLR and restore each.
    for what, text, file in (("enable", 1, "enable"), ("reset", 1, "reset"), ("disable", 0, "enable")):
        raw = bench.watch(f"write {text} " + " ".join(f"{PCI}/{bdf}/{file}" for bdf in devices))
        samples.add(f"{what} {ENDPOINTS} endpoints: pci's own (PVH)", "none", raw)
    # The C driver fails, and leaves the devices such that Xen knows them no more: it comes last.
    for driver in (RUST, C):
        loaded = bench.load(driver, devices)
        lines = "dmesg | grep -c 'pciback .*error .* initializing device' || true"
        failed = int(dom0.check(lines)) if driver is C else 0
        samples.note(f"endpoints claimed of {ENDPOINTS} (PVH)", driver.name, bench.claimed() - failed)
        if driver is RUST:
            samples.add(f"claim {ENDPOINTS} endpoints at load (PVH)", driver.name, loaded)
            for _ in range(REPEAT):
                for file in ("irq", "gsi"):
                    raw = bench.watch(f"read {READS} {PCI}/{devices[0]}/{file}")
                    samples.add(f"read {file}", driver.name, raw, READS)
            raw = bench.watch(f"write '{' '.join(devices)}' {DRIVER}/reset_device")
            samples.add(f"reset {ENDPOINTS} endpoints (PVH)", driver.name, raw)
        unloaded = bench.unload(driver)
        if driver is RUST:
            samples.add(f"release {ENDPOINTS} endpoints by rmmod (PVH)", driver.name, unloaded)
            # Without what happens once in a boot, in the emulator above all.
            samples.add(f"claim {ENDPOINTS} endpoints once more (PVH)", driver.name, bench.load(driver, devices))
            bench.unload(driver)


def accesses(bench: Bench) -> None:
    """How often registers of devices are read and written, which is the same each time."""
    bench.prepare()
    names = ("nvme0", "igb0", "e1000e0")
    with without_drivers(bench.dom0, names):
        for driver, by in ((C, stub.C), (RUST, stub.RUST)):
            for name, counts in lives(bench.dom0, by, names).items():
                for what, trace in vars(counts).items():
                    bench.samples.note(f"accesses to registers: {what} of {name}", driver.name, len(trace))


def pv_topology() -> Topology:
    """A controller with many virtual functions."""
    return Topology("bench").nvme_vfs("nvme0", max(COUNTS))
