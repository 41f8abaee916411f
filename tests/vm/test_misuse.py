# SPDX-License-Identifier: GPL-2.0
"""Safe code that misuses the wrappers of kapi, where no type can refuse it, does no harm.

The module is a build with tests/misuse/run in it, whose driver has the attributes used here. (What the compiler
refuses is tried by `tools/build misuse`.)
"""

import pytest
from lab.machine import Dom0
from lab.paths import MISUSE_MODULE
from lab.until import until

DRIVER = "/sys/bus/pci/drivers/misuse"
PATH = "/root/misuse/rust_pciback.ko"
ENODEV, ENOMEM = 19, 12


@pytest.fixture
def misuse(dom0: Dom0) -> Dom0:
    """A dom0 with that module."""
    dom0.put(MISUSE_MODULE, PATH)
    dom0.check(f"insmod {PATH}")
    return dom0


@pytest.mark.dom0("vfs", "pv")
def test_more_than_there_is_room_for(misuse: Dom0) -> None:
    """An attribute that says that it filled two pages of one is read as one, and nothing behind it."""
    text = misuse.check(f"dd if={DRIVER}/overfull bs=65536 count=1 2>/dev/null | tr -d . | wc -c").strip()
    length = misuse.check(f"dd if={DRIVER}/overfull bs=65536 count=1 2>/dev/null | wc -c").strip()
    misuse.check("rmmod rust_pciback")
    assert (length, text) == ("4096", "0")


@pytest.mark.dom0("vfs", "pv")
@pytest.mark.parametrize("which", ["physical", "virtual"])
def test_locked_after_it_was_removed(misuse: Dom0, which: str) -> None:
    """Nothing leads to the registers of a device that is gone, nor to the physical function of a virtual one,
    whoever has its lock."""
    folder = f"/sys/bus/pci/devices/{misuse.bdf('nvme0' if which == 'physical' else 'igb0')}"
    if which == "physical":
        device, remove = folder, f"echo 1 >{folder}/remove"
    else:
        device, remove = f"{folder}/virtfn0", f"echo 0 >{folder}/sriov_numvfs"
        misuse.check(f"echo 1 >{folder}/sriov_numvfs")
    misuse.check(f"printf $(basename $(readlink -f {device})) >{DRIVER}/gone; {remove}; dmesg -c >/dev/null")
    misuse.check(f"printf look >{DRIVER}/gone; printf drop >{DRIVER}/gone")
    said = misuse.check("dmesg | sed -n 's/.*misuse: //p'").strip()
    misuse.check("rmmod rust_pciback; echo 1 >/sys/bus/pci/rescan")
    assert said == (
        f"physical_function 0, is_present 0, wake -{ENODEV}, save -{ENODEV}, enable -{ENODEV}, memory 0,"
        f" power -{ENODEV}, vendor ffff"
    )


@pytest.mark.dom0("vfs", "pv")
def test_attached_before_it_is_set_up(misuse: Dom0) -> None:
    """A device in the bus's list that the bus doesn't offer yet is not attached, as by the file `bind`."""
    bdf = misuse.bdf("nvme0")
    misuse.check(f"dmesg -c >/dev/null; printf 1 >{DRIVER}/haste; echo 1 >/sys/bus/pci/devices/{bdf}/remove")
    misuse.check("echo 1 >/sys/bus/pci/rescan")
    misuse.check(until("dmesg | grep -q 'misuse: attached'", 20))
    said = misuse.check("dmesg | sed -n 's/.*misuse: //p'").strip()
    misuse.check("rmmod rust_pciback")
    assert said == f"attached: -{ENODEV}"


@pytest.mark.dom0("vfs", "pv")
def test_no_memory_for_the_books(misuse: Dom0) -> None:
    """The kernel's function says ENODEV for want of memory."""
    parameters = "/sys/module/rust_pciback/parameters"
    misuse.check(f"echo {ENODEV} >{parameters}/fail_errno; echo 1 >{parameters}/fail_call")
    errno = misuse.check(f"here=/tests; . /tests/lib/pciback.sh >/dev/null; write_errno {DRIVER}/owner x").strip()
    misuse.check("rmmod rust_pciback")
    assert errno == str(ENOMEM)
