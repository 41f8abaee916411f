// SPDX-License-Identifier: GPL-2.0
/*
 * Compiled with the module and linked into nothing: it refuses to build where a structure that
 * the Rust code mirrors, because the kernel's bindings lack it, has another layout.
 */
#include <linux/build_bug.h>
#include <linux/pci.h>
#include <linux/pci_hotplug.h>
#include <linux/stddef.h>
#include <xen/interface/xen.h>
#include <xen/interface/physdev.h>

/* kapi/pci/slot.rs */
static_assert(offsetof(struct hotplug_slot_ops, reset_slot) == 8 * sizeof(void *));
static_assert(offsetof(struct hotplug_slot, ops) == 0);
static_assert(offsetof(struct hotplug_slot, pci_slot) == sizeof(void *));
static_assert(offsetof(struct hotplug_slot, owner) == 2 * sizeof(void *));

/* kapi/physdev.rs */
static_assert(sizeof(struct physdev_pci_device) == 4);
static_assert(sizeof(struct pci_device_reset) == 8);
static_assert(offsetof(struct pci_device_reset, flags) == 4);
static_assert(sizeof(struct physdev_setup_gsi) == 8);
static_assert(offsetof(struct physdev_pci_device_add, physfn) == 8);
static_assert(offsetof(struct physdev_pci_device_add, optarr) == 12);
