// SPDX-License-Identifier: GPL-2.0
/*
 * Compiled with the module and linked into nothing: it refuses to build where the kernel is not
 * what the Rust code takes it for, because the kernel's bindings lack it: the layouts of
 * structures, the prototypes of functions and callbacks, numbers. (Of what the bindings have, the
 * Rust compiler sees to it.)
 */
#include <linux/acpi.h>
#include <linux/build_bug.h>
#include <linux/kern_levels.h>
#include <linux/kobject.h>
#include <linux/pci.h>
#include <linux/pci_hotplug.h>
#include <linux/printk.h>
#include <linux/ratelimit_types.h>
#include <linux/stddef.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/interface/io/pciif.h>
#include <xen/interface/xen.h>
#include <xen/interface/physdev.h>
#include <xen/pci.h>
#include <xen/xen.h>
#include <xen/xenbus.h>
#include <asm/xen/hypercall.h>
#ifdef CONFIG_XEN_ACPI
#include <xen/acpi.h> /* Doesn't compile elsewhere. */
#endif

/* A function that is declared in Rust: FUNCTION(name, its result, its arguments). */
#define FUNCTION(name, result, ...)                                    \
	static_assert(__same_type(name, result(__VA_ARGS__)),          \
		      #name "() has another prototype than in kapi")

/* A callback whose type is written down in Rust, in a structure. */
#define CALLBACK(structure, member, result, ...)                       \
	static_assert(__same_type(((structure *)NULL)->member,         \
				  result (*)(__VA_ARGS__)),            \
		      #structure "." #member " has another prototype than in kapi")

/* A number that is written down in Rust. */
#define NUMBER(name, value)                                            \
	static_assert((name) == (value), #name " is another number than in kapi")

/* kapi/pci/slot.rs */
static_assert(offsetof(struct hotplug_slot_ops, reset_slot) == 8 * sizeof(void *));
static_assert(offsetof(struct hotplug_slot, ops) == 0);
static_assert(offsetof(struct hotplug_slot, pci_slot) == sizeof(void *));
static_assert(offsetof(struct hotplug_slot, owner) == 2 * sizeof(void *));
CALLBACK(struct hotplug_slot_ops, reset_slot, int, struct hotplug_slot *, bool);

/* kapi/pci/reset.rs, pure/reset_method.rs: a method that is added changes the number of them. */
NUMBER(PCI_D0, 0);
NUMBER(PCI_NUM_RESET_METHODS, 8);

/* kapi/pci/control.rs */
NUMBER(PCI_D3hot, 3);

/* kapi/pci/resource.rs */
NUMBER(PCI_ROM_RESOURCE, 6);
NUMBER(PCI_REGION_FLAG_MASK, 0xf);

/* kapi/compat/get_gsi.rs */
#ifdef CONFIG_XEN_ACPI
FUNCTION(xen_acpi_register_get_gsi_func, void, int (*)(u32));
static_assert(__same_type(get_gsi_from_sbdf_t, int (*)(u32)),
	      "get_gsi_from_sbdf_t has another prototype than in kapi");
#endif

/* kapi/xen.rs */
FUNCTION(xen_find_device_domain_owner, int, struct pci_dev *);
FUNCTION(xen_register_device_domain_owner, int, struct pci_dev *, u16);
FUNCTION(xen_unregister_device_domain_owner, int, struct pci_dev *);
NUMBER(SIF_INITDOMAIN, 1 << 1);
NUMBER(XEN_PV_DOMAIN, 1);
NUMBER(XEN_HVM_DOMAIN, 2);
static_assert(__same_type(xen_domain_type, enum xen_domain_type) && sizeof(xen_domain_type) == 4,
	      "xen_domain_type has another type than in kapi");
static_assert(__same_type(xen_start_flags, u32), "xen_start_flags has another type than in kapi");

/* kapi/acpi.rs, kapi/log.rs, kapi/uevent.rs */
NUMBER(AE_OK, 0);
NUMBER(AE_NOT_FOUND, 5);
NUMBER(ACPI_EDGE_SENSITIVE, 1);
NUMBER(ACPI_ACTIVE_HIGH, 0);
NUMBER(ACPI_ALLOCATE_BUFFER, (acpi_size)-1);
NUMBER(LOGLEVEL_ERR, 3);
NUMBER(LOGLEVEL_WARNING, 4);
NUMBER(LOGLEVEL_INFO, 6);
NUMBER(DEFAULT_RATELIMIT_BURST, 10);
NUMBER(DEFAULT_RATELIMIT_INTERVAL, 5 * HZ);
static_assert(UEVENT_NUM_ENVP >= 16, "a uevent has no room for four variables of ours");

/* kapi/physdev.rs */
static_assert(sizeof(struct physdev_pci_device) == 4);
static_assert(sizeof(struct pci_device_reset) == 8);
static_assert(offsetof(struct pci_device_reset, flags) == 4);
static_assert(sizeof(struct physdev_setup_gsi) == 8);
static_assert(offsetof(struct physdev_pci_device_add, physfn) == 8);
static_assert(offsetof(struct physdev_pci_device_add, optarr) == 12);
static_assert(sizeof(struct physdev_map_pirq) == 40);
static_assert(offsetof(struct physdev_map_pirq, type) == 4);
static_assert(offsetof(struct physdev_map_pirq, index) == 8);
static_assert(offsetof(struct physdev_map_pirq, pirq) == 12);
static_assert(offsetof(struct physdev_map_pirq, bus) == 16);
static_assert(offsetof(struct physdev_map_pirq, devfn) == 20);
static_assert(offsetof(struct physdev_map_pirq, entry_nr) == 24);
static_assert(offsetof(struct physdev_map_pirq, table_base) == 32);
static_assert(sizeof(struct physdev_unmap_pirq) == 8);
static_assert(offsetof(struct physdev_unmap_pirq, pirq) == 4);
NUMBER(MAP_PIRQ_TYPE_GSI, 1);
NUMBER(MAP_PIRQ_TYPE_MSI_SEG, 3);
NUMBER(DOMID_SELF, 0x7ff0);
NUMBER(PHYSDEVOP_map_pirq, 13);
NUMBER(PHYSDEVOP_unmap_pirq, 14);
NUMBER(PHYSDEVOP_setup_gsi, 21);
NUMBER(PHYSDEVOP_pci_device_add, 25);
NUMBER(PHYSDEVOP_pci_device_remove, 26);
NUMBER(PHYSDEVOP_prepare_msix, 30);
NUMBER(PHYSDEVOP_release_msix, 31);
NUMBER(PHYSDEVOP_pci_device_reset, 32);
NUMBER(PCI_DEVICE_RESET_HOT, 2);
NUMBER(PCI_DEVICE_RESET_FLR, 3);
NUMBER(XEN_PCI_DEV_EXTFN, 1);
NUMBER(XEN_PCI_DEV_VIRTFN, 2);
NUMBER(XEN_PCI_DEV_PXM, 4);
NUMBER(__HYPERVISOR_physdev_op, 33);

#ifdef CONFIG_X86_64
/* The hypercall itself: what is called, and which registers it takes and destroys. */
#define SAME_TEXT(one, two) (sizeof(one) == sizeof(two) && !__builtin_strcmp(one, two))
#define REGISTER(name, text)                                           \
	static_assert(SAME_TEXT(name, text), "hypercalls use other registers than in kapi: " #name)
static_assert(SAME_TEXT(__HYPERCALL, "call __SCT__xen_hypercall"),
	      "hypercalls are made by another call than in kapi");
REGISTER(__HYPERCALL_RETREG, "rax");
REGISTER(__HYPERCALL_ARG1REG, "rdi");
REGISTER(__HYPERCALL_ARG2REG, "rsi");
REGISTER(__HYPERCALL_ARG3REG, "rdx");
REGISTER(__HYPERCALL_ARG4REG, "r10");
REGISTER(__HYPERCALL_ARG5REG, "r8");
/* Of two arguments: memory, and the registers of the other three. */
static_assert(sizeof((const char *[]){ __HYPERCALL_CLOBBER2 }) == 4 * sizeof(char *),
	      "hypercalls destroy more than is said in kapi");
#else
FUNCTION(HYPERVISOR_physdev_op, int, int, void *);
#endif

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
CALLBACK(struct xenbus_watch, will_handle, bool, struct xenbus_watch *, const char *,
	 const char *);
CALLBACK(struct xenbus_watch, callback, void, struct xenbus_watch *, const char *, const char *);
CALLBACK(struct xenbus_driver, probe, int, struct xenbus_device *,
	 const struct xenbus_device_id *);
CALLBACK(struct xenbus_driver, otherend_changed, void, struct xenbus_device *,
	 enum xenbus_state);
CALLBACK(struct xenbus_driver, remove, void, struct xenbus_device *);
CALLBACK(struct xenbus_driver, suspend, int, struct xenbus_device *);
CALLBACK(struct xenbus_driver, resume, int, struct xenbus_device *);
CALLBACK(struct xenbus_driver, read_otherend_details, int, struct xenbus_device *);
CALLBACK(struct xenbus_driver, is_ready, int, struct xenbus_device *);
CALLBACK(struct xenbus_driver, reclaim_memory, void, struct xenbus_device *);
FUNCTION(__xenbus_register_backend, int, struct xenbus_driver *, struct module *, const char *);
FUNCTION(xenbus_unregister_driver, void, struct xenbus_driver *);
FUNCTION(register_xenbus_watch, int, struct xenbus_watch *);
FUNCTION(unregister_xenbus_watch, void, struct xenbus_watch *);
FUNCTION(xenbus_dev_error, void, struct xenbus_device *, int, const char *, ...);
FUNCTION(xenbus_read, void *, struct xenbus_transaction, const char *, const char *,
	 unsigned int *);
FUNCTION(xenbus_write, int, struct xenbus_transaction, const char *, const char *, const char *);
FUNCTION(xenbus_rm, int, struct xenbus_transaction, const char *, const char *);
FUNCTION(xenbus_directory, char **, struct xenbus_transaction, const char *, const char *,
	 unsigned int *);
FUNCTION(register_xenstore_notifier, int, struct notifier_block *);
FUNCTION(unregister_xenstore_notifier, void, struct notifier_block *);
FUNCTION(xenbus_transaction_start, int, struct xenbus_transaction *);
FUNCTION(xenbus_transaction_end, int, struct xenbus_transaction, bool);
FUNCTION(xenbus_map_ring_valloc, int, struct xenbus_device *, grant_ref_t *, unsigned int, void **);
FUNCTION(xenbus_unmap_ring_vfree, int, struct xenbus_device *, void *);
FUNCTION(bind_interdomain_evtchn_to_irqhandler_lateeoi, int, struct xenbus_device *, evtchn_port_t,
	 irq_handler_t, unsigned long, const char *, void *);
FUNCTION(unbind_from_irqhandler, void, unsigned int, void *);
FUNCTION(xen_irq_lateeoi, void, unsigned int, unsigned int);
FUNCTION(notify_remote_via_irq, void, int);
static_assert(sizeof(grant_ref_t) == 4);
static_assert(sizeof(evtchn_port_t) == 4);
NUMBER(XEN_EOI_FLAG_SPURIOUS, 1);
static_assert(XEN_PAGE_SIZE == 4096);

/* pure/pciif.rs */
#define WORD(member, number)                                           \
	static_assert(offsetof(struct xen_pci_sharedinfo, member) == 4 * (number))
WORD(flags, 0);
WORD(op.cmd, 1);
WORD(op.err, 2);
WORD(op.domain, 3);
WORD(op.bus, 4);
WORD(op.devfn, 5);
WORD(op.offset, 6);
WORD(op.size, 7);
WORD(op.value, 8);
WORD(op.info, 9);
WORD(op.msix_entries, 10);
WORD(aer_op.cmd, 138);
static_assert(sizeof(struct xen_pci_op) == 4 * 137);
static_assert(sizeof(struct xen_msix_entry) == 4);
static_assert(offsetof(struct xen_msix_entry, entry) == 2);
NUMBER(SH_INFO_MAX_VEC, 128);
NUMBER(XEN_PCIF_active, 1);
NUMBER(XEN_PCI_OP_conf_read, 0);
NUMBER(XEN_PCI_OP_conf_write, 1);
NUMBER(XEN_PCI_OP_enable_msi, 2);
NUMBER(XEN_PCI_OP_disable_msi, 3);
NUMBER(XEN_PCI_OP_enable_msix, 4);
NUMBER(XEN_PCI_OP_disable_msix, 5);
NUMBER(XEN_PCI_ERR_dev_not_found, -1);
NUMBER(XEN_PCI_ERR_invalid_offset, -2);
NUMBER(XEN_PCI_ERR_access_denied, -3);
NUMBER(XEN_PCI_ERR_not_implemented, -4);
NUMBER(XEN_PCI_ERR_op_failed, -5);
static_assert(sizeof(XEN_PCI_MAGIC) == 2, "another version of the protocol");
