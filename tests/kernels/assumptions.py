# SPDX-License-Identifier: GPL-2.0
"""Look in a kernel's source for what the driver takes for granted and no compiler can check.

    assumptions.py TREE             is it all there?
    assumptions.py --without TREE   and is each piece of it missed, when it is taken away?

Documentation/upstreaming.md lists them. A kernel that fails here may
be fine: somebody has to read what it changed, and then to change this file.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Assumption:
    """What is taken for granted: pieces of a function (or table), in this order."""

    what: str
    file: str
    #: What the text to look in begins with; it ends at the first `}` at the beginning of a line.
    begins: str
    pieces: tuple[str, ...]


ASSUMPTIONS = (
    Assumption(
        "reset methods are numbered in this order",
        "drivers/pci/pci.c",
        r"const struct pci_reset_fn_method pci_reset_fn_methods\[\] = \{",
        (
            r"\{ \},",
            r'pci_dev_specific_reset, \.name = "device_specific"',
            r'pci_dev_acpi_reset, \.name = "acpi"',
            r'pcie_reset_flr, \.name = "flr"',
            r'pci_af_flr, \.name = "af_flr"',
            r'pci_pm_reset, \.name = "pm"',
            r'pci_reset_bus_function, \.name = "bus"',
            r'cxl_reset_bus_function, \.name = "cxl_bus"',
        ),
    ),
    Assumption(
        "a list of reset methods ends at its first 0, and who resets holds the device's lock",
        "drivers/pci/pci.c",
        r"int __pci_reset_function_locked\(",
        (
            r"device_lock_assert\(&dev->dev\);",
            r"m = dev->reset_methods\[i\]; if \(!m\) return -ENOTTY;",
            r"&pci_reset_fn_methods\[m\]",
            r"if \(rc != -ENOTTY\) return rc;",
        ),
    ),
    Assumption(
        "an emptied list of reset methods keeps what is behind its first entry",
        "drivers/pci/pci-sysfs.c",
        r"static ssize_t reset_method_store\(",
        (r'sysfs_streq\(buf, ""\)\) \{ pdev->reset_methods\[0\] = 0;',),
    ),
    Assumption(
        "`flr` is offered by capability and flag",
        "drivers/pci/pci.c",
        r"int pcie_reset_flr\(",
        (r"PCI_DEV_FLAGS_NO_FLR_RESET\) return -ENOTTY;", r"devcap & PCI_EXP_DEVCAP_FLR\)\) return -ENOTTY;"),
    ),
    Assumption(
        "`af_flr` is offered by capability and flag",
        "drivers/pci/pci.c",
        r"static int pci_af_flr\(",
        (r"PCI_CAP_ID_AF\)", r"PCI_DEV_FLAGS_NO_FLR_RESET\) return -ENOTTY;", r"PCI_AF_CAP_TP\)", r"PCI_AF_CAP_FLR\)"),
    ),
    Assumption(
        "`pm` is offered by capability and flag",
        "drivers/pci/pci.c",
        r"static int pci_pm_reset\(",
        (
            r"!dev->pm_cap \|\| dev->dev_flags & PCI_DEV_FLAGS_NO_PM_RESET\) return -ENOTTY;",
            r"PCI_PM_CTRL_NO_SOFT_RESET\)",
        ),
    ),
    Assumption(
        "`bus` is offered to who is alone on a bus below a bridge",
        "drivers/pci/pci.c",
        r"static int pci_parent_bus_reset\(",
        (
            r"pci_is_root_bus\(dev->bus\) \|\| dev->subordinate \|\|",
            r"!dev->bus->self \|\| dev->dev_flags & PCI_DEV_FLAGS_NO_BUS_RESET\) return -ENOTTY;",
            r"if \(pdev != dev\) return -ENOTTY;",
        ),
    ),
    Assumption(
        "a slot is reset with its driver's module held, and by no other rule",
        "drivers/pci/pci.c",
        r"static int pci_reset_hotplug_slot\(",
        (
            r"!hotplug \|\| !try_module_get\(hotplug->owner\)\) return",
            r"if \(hotplug->ops->reset_slot\) rc = hotplug->ops->reset_slot\(hotplug, probe\); module_put",
        ),
    ),
    Assumption(
        "all removals of PCI devices are made under the lock for them",
        "drivers/pci/remove.c",
        r"void pci_stop_and_remove_bus_device\(",
        (r"lockdep_assert_held\(&pci_rescan_remove_lock\);",),
    ),
    Assumption(
        "a virtual function holds a reference to its physical one until it was removed",
        "drivers/pci/iov.c",
        r"void pci_iov_remove_virtfn\(",
        (r"pci_stop_and_remove_bus_device\(virtfn\);", r"pci_dev_put\(dev\);"),
    ),
    Assumption(
        "a virtual function has the parent of its physical one",
        "drivers/pci/iov.c",
        r"int pci_iov_add_virtfn\(",
        (r"virtfn->dev\.parent = dev->dev\.parent;", r"pci_device_add\(virtfn, virtfn->bus\);"),
    ),
    Assumption(
        "there are virtual functions only while their number is not 0",
        "drivers/pci/iov.c",
        r"static void sriov_disable\(",
        (r"sriov_del_vfs\(dev\);", r"iov->num_VFs = 0;"),
    ),
    Assumption(
        "virtual functions are added under the lock of their physical one",
        "drivers/pci/iov.c",
        r"static ssize_t sriov_numvfs_store\(",
        (r"device_lock\(&pdev->dev\);", r"sriov_configure\(pdev, num_vfs\);", r"device_unlock\(&pdev->dev\);"),
    ),
    Assumption(
        "the children of a device are in a list that is walked without its lock",
        "drivers/base/core.c",
        r"int device_for_each_child\(",
        (r"if \(!parent \|\| !parent->p\)", r"klist_iter_init\(&parent->p->klist_children, &i\);"),
    ),
    Assumption(
        "`probe_type` is looked at for each probe",
        "drivers/base/dd.c",
        r"static bool driver_allows_async_probing\(",
        (
            r"switch \(drv->probe_type\)",
            r"PROBE_PREFER_ASYNCHRONOUS: return true;",
            r"PROBE_FORCE_SYNCHRONOUS: return false;",
        ),
    ),
    Assumption(
        "BUS_NOTIFY_ADD_DEVICE comes before any driver is offered the device",
        "drivers/base/core.c",
        r"int device_add\(",
        (r"bus_notify\(dev, BUS_NOTIFY_ADD_DEVICE\);", r"dev_set_ready_to_probe\(dev\);", r"bus_probe_device\(dev\);"),
    ),
    Assumption(
        "the bus's own match says what keeps a driver from a device, without the device's lock",
        "drivers/base/bus.c",
        r"static ssize_t bind_store\(",
        (r"driver_match_device\(drv, dev\)\) \{ err = device_driver_attach\(drv, dev\);",),
    ),
    Assumption(
        "`driver_override` is memory of kmalloc(), and changed under its lock",
        "drivers/base/dd.c",
        r"int __device_set_driver_override\(",
        (r"new = kstrndup\(", r"scoped_guard\(spinlock, &dev->driver_override\.lock\)", r"kfree\(old\);"),
    ),
    Assumption(
        "a bridge that has a bus below it, under its lock, was not removed",
        "drivers/pci/remove.c",
        r"static void pci_remove_bus_device\(",
        (r"dev->subordinate = NULL;", r"pci_destroy_dev\(dev\);"),
    ),
    Assumption(
        "a device that has a driver, under its lock, was not removed",
        "drivers/base/core.c",
        r"void device_del\(",
        (
            r"kill_device\(dev\);",
            r"BUS_NOTIFY_DEL_DEVICE\);",
            r"bus_remove_device\(dev\);",
            r"BUS_NOTIFY_REMOVED_DEVICE\);",
        ),
    ),
    Assumption(
        "xen_register_device_domain_owner() says ENODEV for want of memory only",
        "drivers/xen/pci.c",
        r"int xen_register_device_domain_owner\(",
        (r"if \(!owner\) return -ENODEV;", r"return -EEXIST;"),
    ),
    Assumption(
        "error recovery calls back with the device's lock held",
        "drivers/pci/pcie/err.c",
        r"static int report_error_detected\(",
        (r"device_lock\(&dev->dev\);", r"err_handler->error_detected\(dev, state\);", r"device_unlock\(&dev->dev\);"),
    ),
    Assumption(
        "a page that can't be mapped is ENOENT, and xenbus has told the other end",
        "drivers/xen/xenbus/xenbus_client.c",
        r"static int __xenbus_map_ring\(",
        (r"xenbus_dev_fatal\(dev, info->map\[i\]\.status,", r"return -ENOENT;"),
    ),
    Assumption(
        "a watch that isn't registered is on no list",
        "drivers/xen/xenbus/xenbus_xs.c",
        r"int register_xenbus_watch\(",
        (r"if \(err\) \{ spin_lock\(&watches_lock\); list_del\(&watch->list\);",),
    ),
    Assumption(
        "a watch that is unregistered is called no more, and no call is under way",
        "drivers/xen/xenbus/xenbus_xs.c",
        r"void unregister_xenbus_watch\(",
        (
            r"list_del\(&watch->list\);",
            r"if \(current->pid != xenwatch_pid\) mutex_lock\(&xenwatch_mutex\);",
            r"if \(event->handle != watch\) continue; list_del\(&event->list\);",
        ),
    ),
    Assumption(
        "an event channel that isn't bound has no handler",
        "drivers/xen/events/events_base.c",
        r"static int bind_interdomain_evtchn_to_irqhandler_chip\(",
        (
            r"if \(irq < 0\) return irq;",
            r"retval = request_irq\(irq, handler, irqflags, devname, dev_id\);",
            r"if \(retval != 0\) \{ unbind_from_irq\(irq\); return retval;",
        ),
    ),
    Assumption(
        "an event channel that is unbound calls its handler no more, and no call is under way",
        "drivers/xen/events/events_base.c",
        r"void unbind_from_irqhandler\(",
        (r"free_irq\(irq, dev_id\);", r"unbind_from_irq\(irq\);"),
    ),
    Assumption(
        "there is no further event until the last one was ended",
        "drivers/xen/events/events_base.c",
        r"static void lateeoi_ack_dynirq\(",
        (r"do_mask\(info, EVT_MASK_REASON_EOI_PENDING\);",),
    ),
    Assumption(
        "an event that was ended allows the next one, later if there are many without anything to do",
        "drivers/xen/events/events_base.c",
        r"static void xen_irq_lateeoi_locked\(",
        (r"if \(spurious\)", r"lateeoi_list_add\(info\);", r"do_unmask\(info, EVT_MASK_REASON_EOI_PENDING\);"),
    ),
    Assumption(
        "the kernel remembers whether a device is to master the bus",
        "drivers/pci/pci.c",
        r"static void __pci_set_master\(",
        (r"pci_write_config_word\(dev, PCI_COMMAND, cmd\);", r"dev->is_busmaster = enable;"),
    ),
    Assumption(
        "pci_intx() writes a bit, and has nothing undone when a driver goes",
        "drivers/pci/pci.c",
        r"void pci_intx\(",
        (
            r"PCI_COMMAND, &pci_command\); if \(enable\) new = pci_command & ~PCI_COMMAND_INTX_DISABLE;",
            r"if \(new == pci_command\) return; pci_write_config_word\(pdev, PCI_COMMAND, new\); \}",
        ),
    ),
    Assumption(
        "a power state that a device refuses is no error, and `current_state` says which one it has",
        "drivers/pci/pci.c",
        r"static int pci_set_low_power_state\(",
        (
            r"dev->current_state > state\) \{.*?return -EINVAL;",
            r"dev->current_state = PCI_D3cold; return -EIO;",
            r"dev->current_state = pmcsr & PCI_PM_CTRL_STATE_MASK;",
            r"return 0; \}",
        ),
    ),
    Assumption(
        "so it is for a device that is woken, whose addresses the kernel restores",
        "drivers/pci/pci.c",
        r"static int pci_set_full_power_state\(",
        (
            r"dev->current_state = pmcsr & PCI_PM_CTRL_STATE_MASK;",
            r"else if \(ret > 0\) \{ pci_restore_bars\(dev\);",
            r"return 0; \}",
        ),
    ),
    Assumption(
        "Xen's number for hypercalls on arm64 is 0xea1",
        "arch/arm64/xen/hypercall.S",
        r"#define XEN_IMM",
        (r"XEN_IMM 0xEA1",),
    ),
    Assumption(
        "a hypercall on arm64 is `hvc #0xea1` with its number in x16",
        "arch/arm64/xen/hypercall.S",
        r"#define HYPERCALL_SIMPLE\(hypercall\)",
        (r"mov x16, #__HYPERVISOR_##hypercall;", r"hvc XEN_IMM;", r"ret;"),
    ),
)


def function(text: str, begins: str) -> str | None:
    """The text of a function with runs of white space as one blank and without comments."""
    found = re.search(rf"^{begins}.*?^(?:\}}|$)", text, re.MULTILINE | re.DOTALL)
    if found and not re.search(r"^\}", found.group(), re.MULTILINE) and "#define" not in found.group():
        found = re.search(rf"^{begins}.*?^\}}", text, re.MULTILINE | re.DOTALL)
    if not found:
        return None
    return " ".join(re.sub(r"/\*.*?\*/", " ", found.group(), flags=re.DOTALL).replace("\\\n", " ").split())


def missing(assumption: Assumption, text: str) -> Iterator[str]:
    """The pieces that aren't in the text of its function, after those before."""
    at = 0
    for piece in assumption.pieces:
        found = re.compile(piece).search(text, at)
        if found:
            at = found.end()
        else:
            yield piece


def main() -> int:
    """Look at one tree."""
    *options, tree = sys.argv[1:]
    wrong = 0
    for assumption in ASSUMPTIONS:
        text = function((Path(tree) / assumption.file).read_text(), assumption.begins)
        if text is None:
            print(f"{assumption.file}: {assumption.begins}: not found, so who can tell: {assumption.what}?")
            wrong += 1
            continue
        for piece in missing(assumption, text):
            print(f"{assumption.file}: {assumption.begins}: not any more: {assumption.what}: no {piece!r}")
            wrong += 1
        for piece in assumption.pieces if options else ():
            if not any(missing(assumption, re.sub(piece, " ", text))):
                print(f"{assumption.file}: {piece!r} is not missed")
                wrong += 1
    print(f"{len(ASSUMPTIONS)} assumptions looked for, {wrong} complaints")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
