# SPDX-License-Identifier: GPL-2.0
"""What `make demo` does once all is built: the module at work in a PVH dom0.

It claims devices as a toolstack would, resets each by writing its address to
`reset_device`, shows what keeps a function of a larger device from being reset
alone, gives all back to their drivers, and ends with a table.
"""

import errno
import os
import re
import sys
import time
from dataclasses import dataclass

from lab.agent import AgentError
from lab.klog import unexpected
from lab.machine import CommandError, Dom0, MachineError
from lab.paths import shown

DRIVER = "/sys/bus/pci/drivers/pciback"
DEVICES = "/sys/bus/pci/devices"
CLAIMED = {"igb0": "igb", "nvme0": "nvme", "e1000e0": "e1000e"}
PAIR = {"pair.0": "e1000e", "pair.1": "e1000e"}


@dataclass
class Row:
    """One line of the table at the end."""

    device: str
    how: str
    took: str
    gsi: str
    xen: str


def say(text: str) -> None:
    """Tell what happens now."""
    print(f"\n== {text}", flush=True)


def show_claim(dom0: Dom0, bdf: str) -> None:
    """Take a device from its driver and give it to pciback."""
    for text, file in (
        (bdf, f"{DEVICES}/{bdf}/driver/unbind"),
        (bdf, f"{DRIVER}/new_slot"),
        (bdf, f"{DRIVER}/bind"),
    ):
        print(f"  echo {text} > {file}")
        dom0.check(f"echo {text} > {file}")


def attribute(dom0: Dom0, path: str) -> str:
    """The content of a file, empty when it is not there."""
    return dom0.run(f"cat {path} 2>/dev/null").out.strip()


def refusal(dom0: Dom0, bdf: str, shell: str) -> str:
    """Why a reset was refused: the errno's name, and the driver's own line of it."""
    names = {os.strerror(number): name for number, name in errno.errorcode.items()}
    words = shell.strip().rpartition(": ")[2]  # the shell says "sh: write error: REASON"
    lines = [line for line in dom0.check("dmesg").splitlines() if f"{bdf}: reset_device:" in line]
    said = lines[-1].partition("reset_device: ")[2] if lines else words
    return f"{names.get(words, words)}, {said.rpartition(' (-')[0]}"


def reset(dom0: Dom0, name: str, bdf: str, address: str = "") -> Row:
    """Reset a claimed device (or all that `address` covers); what is then known of it makes a row."""
    address = address or bdf
    print(f"  echo '{address}' > {DRIVER}/reset_device")
    result = dom0.run(f"echo '{address}' > {DRIVER}/reset_device")
    gsi = attribute(dom0, f"{DEVICES}/{bdf}/gsi") or "none"
    if not result.ok:
        why = refusal(dom0, bdf, result.out)
        print(f"    refused: {why}")
        return Row(f"{name} {address}", f"refused: {why}", "-", gsi, "(not asked)")
    known = f"{DEVICES}/{bdf}/pciback"
    method, micros, told = (attribute(dom0, f"{known}/last_reset_{what}") for what in ("method", "time_us", "xen"))
    took = f"{int(micros) / 1000:.0f} ms"
    print(f"    reset by {method} in {took}")
    return Row(f"{name} {address}", method, took, gsi, told)


def show_give_back(dom0: Dom0, bdf: str, driver: str) -> None:
    """Release a device; its own driver takes it again and works."""
    dom0.check(f"echo {bdf} > {DRIVER}/unbind; echo {bdf} > {DRIVER}/remove_slot")
    dom0.check(f"echo {bdf} > /sys/bus/pci/drivers_probe")
    bound = dom0.check(f"readlink {DEVICES}/{bdf}/driver").strip().rpartition("/")[2]
    if bound != driver:
        raise CommandError(f"{bdf} went to driver {bound!r}, not to {driver}")
    print(f"  {bdf} is with {driver} again")


def table(rows: list[Row]) -> None:
    """Print rows in columns."""
    head = Row("device", "how it was reset", "took", "GSI", "Xen's answer")
    lines = [[row.device, row.how, row.took, row.gsi, row.xen] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def show(dom0: Dom0) -> list[Row]:
    """The whole demonstration."""
    say("load the module")
    print("  insmod rust_pciback.ko")
    dom0.check(f"insmod {dom0.put_module()}")

    say("claim an igb, an nvme and an e1000e, as a toolstack does")
    bdfs = {name: dom0.bdf(name) for name in CLAIMED}
    for bdf in bdfs.values():
        show_claim(dom0, bdf)

    say("reset them")
    rows = [reset(dom0, name, bdf) for name, bdf in bdfs.items()]

    say("a device of two functions, of which only one is claimed")
    pair = {name: dom0.bdf(name) for name in PAIR}
    first, second = pair.values()
    show_claim(dom0, first)
    rows.append(reset(dom0, "pair.0", first))
    print(f"  cat {DEVICES}/{first}/pciback/reset_blockers")
    print("    " + attribute(dom0, f"{DEVICES}/{first}/pciback/reset_blockers"))
    say("the same with both: a wildcard resets them together")
    show_claim(dom0, second)
    rows.append(reset(dom0, "pair", first, f"{first.rpartition('.')[0]}.*"))

    say(f"the GSI of every device that has one: cat {DEVICES}/*/gsi")
    for line in dom0.check(f"cd {DEVICES}; grep -H . */gsi").splitlines():
        print("  " + re.sub(r"/gsi:", "  ", line))

    say("give them back to their drivers, unload the module")
    for name, bdf in {**bdfs, **pair}.items():
        show_give_back(dom0, bdf, {**CLAIMED, **PAIR}[name])
    dom0.check("rmmod rust_pciback")
    return rows


def main() -> int:
    """Boot, show, judge."""
    began = time.monotonic()
    say("boot Xen with a PVH dom0 in QEMU (emulated, so it takes a while)")
    try:
        with Dom0("demo", name="demo") as dom0:
            version = dom0.check("cd /sys/hypervisor/version && cat major minor").split()
            print(f"  Xen {'.'.join(version)}, dom0 Linux {dom0.check('uname -r').strip()}, {dom0.boot_seconds:.0f} s")
            mark = dom0.console.mark()
            rows = show(dom0)
            dom0.sync_console("end of the demo")
            bad = unexpected(dom0.console.since(mark))
            log = shown(dom0.log)
    except (AgentError, MachineError, CommandError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print()
    table(rows)
    print(f"\n{time.monotonic() - began:.0f} s in all. What Xen and dom0 said: {log}")
    for report in bad:
        print(f"demo: unexpected on the console: {report}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
