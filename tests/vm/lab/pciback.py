# SPDX-License-Identifier: GPL-2.0
"""The driver in a dom0: load it, take devices from their drivers, and give them back."""

from __future__ import annotations

import re

from .machine import Dom0
from .paths import REPO
from .until import until

DRIVER = "/sys/bus/pci/drivers/pciback"
DEVICES = "/sys/bus/pci/devices"
MODULE = "/root/rust_pciback.ko"
#: The test build.
FAULTS = "/root/faults/rust_pciback.ko"


def load(dom0: Dom0, options: str = "", module: str = MODULE) -> None:
    """Load the module."""
    dom0.check(f"insmod {module} {options}".rstrip())


def unload(dom0: Dom0, seconds: float = 30) -> None:
    """Unload it, which releases what is claimed."""
    dom0.check("rmmod rust_pciback", seconds)


def is_tested(dom0: Dom0) -> bool:
    """Whether the kernel's series and machine are among those that Kbuild calls tested."""
    listed = re.search(r"^TESTED := (.*)$", (REPO / "Kbuild").read_text(), re.MULTILINE)
    assert listed is not None
    machine, release = dom0.check("uname -m; uname -r").split()
    series = ".".join(release.split(".")[:2])
    return f"{'arm64' if machine == 'aarch64' else 'x86'}-{series}" in listed[1].split()


def warns_of_untested_kernel(dom0: Dom0) -> int:
    """How often the module says so when it is loaded."""
    dom0.check("dmesg -c >/dev/null")
    load(dom0)
    unload(dom0)
    return dom0.check("dmesg").count("rust_pciback: untested on Linux")


def claim(dom0: Dom0, *bdfs: str) -> None:
    """Take devices from their drivers, as libxl does."""
    for bdf in bdfs:
        dom0.check(
            f"d={DEVICES}/{bdf}; [ ! -e $d/driver ] || echo {bdf} >$d/driver/unbind;"
            f"echo {bdf} >{DRIVER}/new_slot && echo {bdf} >{DRIVER}/bind"
        )


def give_back(dom0: Dom0, *bdfs: str) -> None:
    """Have devices get their drivers back, whether the module is still loaded or not."""
    for bdf in bdfs:
        dom0.check(
            f"d={DEVICES}/{bdf}; if [ -e {DRIVER} ]; then"
            f" echo {bdf} >{DRIVER}/remove_slot 2>/dev/null;"
            f" [ ! {DRIVER} -ef $d/driver ] || echo {bdf} >{DRIVER}/unbind; fi;"
            f" [ -e $d/driver ] || echo {bdf} >/sys/bus/pci/drivers_probe; [ -e $d/driver ]"
        )


def works_by_msix(dom0: Dom0, bdf: str) -> None:
    """Wait until the native driver of a device has enabled MSI-X and counted an interrupt."""
    dom0.run(f"for n in {DEVICES}/{bdf}/net/*; do ip link set ${{n##*/}} up; done")
    counted = (
        f"for i in $(cd {DEVICES}/{bdf}/msi_irqs && grep -lx msix *);"
        ' do grep -qE "^ *$i: .*[1-9][0-9]* +(PCI-|xen-pirq)" /proc/interrupts && exit 0; done; false'
    )
    dom0.check(until(f"({counted})", 60), 90)
