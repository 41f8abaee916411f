# SPDX-License-Identifier: GPL-2.0
"""Break what the driver takes for granted of the kernel's headers, and see that it doesn't build.

    broken.py TREE SCRATCH MAKE-ARGUMENT...

Runs in the lab's chroot, in a mount namespace of its own: a copy of the prepared TREE, made of hard
links, is mounted in its place, because the paths in its metadata are absolute. SCRATCH holds the copy
and the sources. Each case edits one header there, and must make the build fail with one line that
names what is broken.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Case(NamedTuple):
    """A change of a header, and what the build must say to it."""

    file: str
    old: str
    new: str
    says: str


CASES = (
    Case(
        "include/linux/pci.h", r"PCI_NUM_RESET_METHODS 8", "PCI_NUM_RESET_METHODS 9", "PCI_NUM_RESET_METHODS is another"
    ),
    Case(
        "include/linux/pci_hotplug.h",
        r"(\tint \(\*reset_slot\)[^;]*;)",
        r"\tint (*something_new)(struct hotplug_slot *slot);\n\1",
        "offsetof(struct hotplug_slot_ops, reset_slot)",
    ),
    Case(
        "include/linux/pci_hotplug.h",
        r"(\*reset_slot\)\s*\(struct hotplug_slot \*\w*, )bool",
        r"\1unsigned int",
        "hotplug_slot_ops.reset_slot has another prototype",
    ),
    Case(
        "include/xen/interface/physdev.h",
        r"(PHYSDEVOP_pci_device_reset\s+)32",
        r"\g<1>33",
        "PHYSDEVOP_pci_device_reset is",
    ),
    Case(
        "include/xen/interface/physdev.h",
        r"(struct pci_device_reset \{)",
        r"\1\n\tuint32_t something_new;",
        "sizeof(struct pci_device_reset)",
    ),
    Case(
        "include/xen/interface/physdev.h",
        r"(MAP_PIRQ_TYPE_GSI\s+)0x1",
        r"\g<1>0x5",
        "MAP_PIRQ_TYPE_GSI is another",
    ),
    Case(
        "include/xen/interface/xen.h",
        r"(__HYPERVISOR_physdev_op\s+)33",
        r"\g<1>34",
        "__HYPERVISOR_physdev_op is another",
    ),
    Case("include/xen/interface/xen.h", r"(SIF_INITDOMAIN\s+)\(1<<1\)", r"\1(1<<3)", "SIF_INITDOMAIN is another"),
    Case("include/xen/xen.h", r"XEN_PV_DOMAIN,", "XEN_PV_DOMAIN = 7,", "XEN_PV_DOMAIN is another"),
    Case(
        "include/xen/pci.h",
        r"(xen_register_device_domain_owner\(struct pci_dev \*\w+,\s*)\w+",
        r"\1unsigned long",
        "xen_register_device_domain_owner() has another prototype",
    ),
    Case(
        "include/xen/xenbus.h",
        r"(struct xenbus_watch\n?\s*\{)",
        r"\1\n\tvoid *something_new;",
        "sizeof(struct xenbus_watch)",
    ),
    Case(
        "include/xen/xenbus.h",
        r"(\(\*otherend_changed\)\(struct xenbus_device \*\w+,\s*)enum xenbus_state",
        r"\1unsigned long",
        "xenbus_driver.otherend_changed has another prototype",
    ),
    Case(
        "include/xen/xenbus.h",
        r"(xenbus_rm\(struct xenbus_transaction \w+, )",
        r"\1unsigned int flags, ",
        "xenbus_rm() has another prototype",
    ),
    Case(
        "include/xen/xenbus.h",
        r"(xenbus_map_ring_valloc\(struct xenbus_device \*\w+, )grant_ref_t",
        r"\1unsigned long",
        "xenbus_map_ring_valloc() has another prototype",
    ),
    Case(
        "include/xen/events.h",
        r"(bind_interdomain_evtchn_to_irqhandler_lateeoi\(struct xenbus_device \*\w+,\s*)evtchn_port_t",
        r"\1unsigned long",
        "bind_interdomain_evtchn_to_irqhandler_lateeoi() has another prototype",
    ),
    Case(
        "include/xen/events.h",
        r"(XEN_EOI_FLAG_SPURIOUS\s+)0x00000001",
        r"\g<1>0x00000002",
        "XEN_EOI_FLAG_SPURIOUS is another",
    ),
    Case(
        "include/xen/interface/io/pciif.h",
        r"(struct xen_pci_op \{)",
        r"\1\n\tuint32_t something_new;",
        "sizeof(struct xen_pci_op)",
    ),
    Case("include/xen/interface/io/pciif.h", r"(SH_INFO_MAX_VEC\s+)128", r"\g<1>64", "SH_INFO_MAX_VEC is another"),
    Case(
        "include/linux/pci.h",
        r"(PCI_REGION_FLAG_MASK\s+)0x0fU",
        r"\g<1>0x1fU",
        "PCI_REGION_FLAG_MASK is another",
    ),
    Case(
        "include/xen/acpi.h",
        r"(typedef int \(\*get_gsi_from_sbdf_t\)\()u32",
        r"\1unsigned long",
        "get_gsi_from_sbdf_t has another prototype",
    ),
    Case(
        "arch/x86/include/asm/xen/hypercall.h",
        r"(__HYPERCALL_ARG2REG\s+)\"rsi\"",
        r'\1"r9"',
        "hypercalls use other registers than in kapi",
    ),
    Case("arch/x86/include/asm/xen/hypercall.h", r"(__HYPERCALL_CLOBBER2\s+)", r'\1"r11", ', "hypercalls destroy more"),
    Case("include/linux/kobject.h", r"(UEVENT_NUM_ENVP\s+)\d+", r"\g<1>8", "no room for four variables"),
)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A command with its output, both streams together."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def build(tree: Path, module: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Build what checks the headers."""
    (module / "kapi" / "layout.o").unlink(missing_ok=True)
    return run("make", "--no-print-directory", "-C", str(tree), f"M={module}", *arguments, "kapi/layout.o")


def complaint(case: Case, result: subprocess.CompletedProcess[str]) -> str:
    """What is wrong with how the build took a case, if anything."""
    if result.returncode == 0:
        return "it builds"
    if not any("error" in line and case.says in line for line in result.stdout.splitlines()):
        return f"no line says {case.says!r}:\n{result.stdout[-2000:]}"
    return ""


def main() -> int:
    """Try each case; the unbroken copy must build."""
    tree, scratch, *arguments = sys.argv[1:]
    copy, module = Path(scratch) / "tree", Path(scratch) / "module"
    subprocess.run(["rm", "-rf", str(copy)], check=True)
    subprocess.run(["cp", "-al", tree, str(copy)], check=True)
    subprocess.run(["mount", "--bind", str(copy), tree], check=True)
    failed = 0
    whole = build(Path(tree), module, arguments)
    if whole.returncode:
        print(f"the headers as they are: not built:\n{whole.stdout[-3000:]}")
        return 1
    for case in CASES:
        header = Path(tree) / case.file
        text = header.read_text()
        broken, count = re.subn(case.old, case.new, text, count=1)
        if not count or broken == text:
            print(f"{case.file}: {case.old!r} is not in it: bring tests/kernels/broken.py up to date")
            failed += 1
            continue
        header.unlink()  # Not through the link.
        header.write_text(broken)
        wrong = complaint(case, build(Path(tree), module, arguments))
        header.write_text(text)
        if wrong:
            print(f"{case.file}, {case.old!r} broken: {wrong}")
            failed += 1
    subprocess.run(["umount", tree], check=True)
    subprocess.run(["rm", "-rf", str(copy)], check=True)
    print(f"{len(CASES)} ways to break the headers, {failed} not refused")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
