// SPDX-License-Identifier: GPL-2.0
/*
 * Enters devices in the kernel's book of who uses which device, as the driver's side for guests
 * does when it connects a device, and takes them out when it is unloaded:
 *
 *   insmod owner.ko device=0000:01:00.0,0000:01:00.1 domain=7,8
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <xen/pci.h>

#define MOST 16

static char *device[MOST];
static int devices;
module_param_array(device, charp, &devices, 0444);
MODULE_PARM_DESC(device, "addresses of devices");

static int domain[MOST];
static int domains;
module_param_array(domain, int, &domains, 0444);
MODULE_PARM_DESC(domain, "the domains that are to use them");

static struct pci_dev *entered[MOST];

static void leave(void)
{
	int i;

	for (i = 0; i < MOST; i++) {
		if (entered[i]) {
			xen_unregister_device_domain_owner(entered[i]);
			pci_dev_put(entered[i]);
		}
	}
}

static int enter(int i)
{
	unsigned int segment, bus, slot, function;
	struct pci_dev *dev;
	int error;

	if (sscanf(device[i], "%x:%x:%x.%x", &segment, &bus, &slot, &function) != 4)
		return -EINVAL;
	dev = pci_get_domain_bus_and_slot(segment, bus, PCI_DEVFN(slot, function));
	if (!dev)
		return -ENODEV;
	error = xen_register_device_domain_owner(dev, domain[i]);
	if (error)
		pci_dev_put(dev);
	else
		entered[i] = dev;
	return error;
}

static int __init owner_init(void)
{
	int error = 0;
	int i;

	if (devices != domains)
		return -EINVAL;
	for (i = 0; i < devices && !error; i++)
		error = enter(i);
	if (error)
		leave();
	return error;
}

static void __exit owner_exit(void)
{
	leave();
}

module_init(owner_init);
module_exit(owner_exit);
MODULE_DESCRIPTION("Test helper: makes devices belong to domains");
MODULE_LICENSE("GPL");
