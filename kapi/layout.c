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
#include <xen/xenbus.h>

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

/* kapi/xenbus/raw.rs */
static_assert(sizeof(struct xenbus_watch) == 48);
static_assert(offsetof(struct xenbus_watch, node) == 16);
static_assert(offsetof(struct xenbus_watch, nr_pending) == 24);
static_assert(offsetof(struct xenbus_watch, will_handle) == 32);
static_assert(offsetof(struct xenbus_watch, callback) == 40);
static_assert(offsetof(struct xenbus_device, nodename) == 8);
static_assert(offsetof(struct xenbus_device, otherend) == 16);
static_assert(offsetof(struct xenbus_device, otherend_id) == 28);
static_assert(offsetof(struct xenbus_device, dev) == 80);
static_assert(offsetof(struct xenbus_device, state) == 80 + sizeof(struct device));
static_assert(sizeof(struct xenbus_device_id) == 32);
static_assert(offsetof(struct xenbus_driver, ids) == 8);
static_assert(offsetof(struct xenbus_driver, allow_rebind) == 16);
static_assert(offsetof(struct xenbus_driver, not_essential) == 17);
static_assert(offsetof(struct xenbus_driver, probe) == 24);
static_assert(offsetof(struct xenbus_driver, otherend_changed) == 32);
static_assert(offsetof(struct xenbus_driver, remove) == 40);
static_assert(offsetof(struct xenbus_driver, suspend) == 48);
static_assert(offsetof(struct xenbus_driver, resume) == 56);
static_assert(offsetof(struct xenbus_driver, uevent) == 64);
static_assert(offsetof(struct xenbus_driver, driver) == 72);
static_assert(offsetof(struct xenbus_driver, read_otherend_details) ==
	      72 + sizeof(struct device_driver));
static_assert(sizeof(struct xenbus_driver) == 72 + sizeof(struct device_driver) + 24);
static_assert(sizeof(struct xenbus_transaction) == 4);
static_assert(sizeof(enum xenbus_state) == 4);
