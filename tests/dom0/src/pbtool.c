// SPDX-License-Identifier: GPL-2.0
/*
 * What a shell cannot do for the tests in dom0:
 *
 *   pbtool write FILE [N]   one write() (or N) of all of standard input; prints the errno of the
 *                           last, 0 for success
 *   pbtool failnth N FILE   the same with the Nth allocation of that write failing, in a kernel that
 *                           can do so; prints the errno, and how many of N were left: 0 if one failed
 *   pbtool gsi BDF          privcmd's IOCTL_PRIVCMD_PCIDEV_GET_GSI; prints the GSI, or -errno
 *   pbtool release_msix BDF PHYSDEVOP_release_msix, past the driver; prints 0, or -errno
 *   pbtool mmio BDF BAR OFFSET [VALUE]    reads a 32-bit register of a device, or writes it
 *   pbtool uevents COMMAND...   runs the command; then prints, one a line, the uevents that came
 *                               meanwhile and have a variable PCIBACK_*
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* include/uapi/xen/privcmd.h of Linux 6.13 and later */
struct pcidev_get_gsi {
	uint32_t sbdf;
	uint32_t gsi;
};
#define PCIDEV_GET_GSI _IOC(_IOC_NONE, 'P', 10, sizeof(struct pcidev_get_gsi))

static int do_write(const char *file, long times)
{
	static char text[1 << 20];
	size_t length = fread(text, 1, sizeof(text), stdin);
	int fd = open(file, O_WRONLY);
	int result = 0;

	if (fd < 0) {
		perror(file);
		return 2;
	}
	while (times-- > 0)
		result = pwrite(fd, text, length, 0) < 0 ? errno : 0;
	printf("%d\n", result);
	return 0;
}

/* Documentation/fault-injection/fault-injection.rst, "Systematic faults" */
static int do_failnth(const char *nth, const char *file)
{
	static char text[1 << 16];
	size_t length = fread(text, 1, sizeof(text), stdin);
	char left[16] = "";
	int fd = open(file, O_WRONLY);
	int fail = open("/proc/thread-self/fail-nth", O_RDWR);
	int result;

	if (fd < 0 || fail < 0) {
		perror(fd < 0 ? file : "fail-nth");
		return 2;
	}
	if (pwrite(fail, nth, strlen(nth), 0) < 0) {
		perror("fail-nth");
		return 2;
	}
	result = pwrite(fd, text, length, 0) < 0 ? errno : 0;
	/* The first attempt to look may be what fails. */
	if (pread(fail, left, sizeof(left) - 1, 0) < 0)
		pread(fail, left, sizeof(left) - 1, 0);
	if (pwrite(fail, "0", 1, 0) < 0)
		pwrite(fail, "0", 1, 0);
	printf("%d %d\n", result, atoi(left));
	return 0;
}

/* include/uapi/xen/privcmd.h; numbers from xen/include/public/xen.h and physdev.h */
struct privcmd_hypercall {
	uint64_t op;
	uint64_t arg[5];
};
#define PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))
#define HYPERVISOR_PHYSDEV_OP 33
#define PHYSDEVOP_RELEASE_MSIX 31

struct physdev_pci_device {
	uint16_t seg;
	uint8_t bus;
	uint8_t devfn;
};

/* Opens privcmd and reads an address; -1 when either fails. */
static int open_privcmd(const char *bdf, struct physdev_pci_device *device)
{
	unsigned int segment, bus, slot, function;
	int fd = open("/dev/xen/privcmd", O_RDWR);

	if (fd < 0) {
		perror("/dev/xen/privcmd");
		return -1;
	}
	if (sscanf(bdf, "%x:%x:%x.%x", &segment, &bus, &slot, &function) != 4) {
		fprintf(stderr, "not an address: %s\n", bdf);
		return -1;
	}
	device->seg = segment;
	device->bus = bus;
	device->devfn = slot << 3 | function;
	return fd;
}

static int do_release_msix(const char *bdf)
{
	struct physdev_pci_device *device;
	struct privcmd_hypercall call = { .op = HYPERVISOR_PHYSDEV_OP };
	int fd;

	/* Xen reads it while nothing can be paged in. */
	device = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
	if (device == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	fd = open_privcmd(bdf, device);
	if (fd < 0)
		return 2;
	call.arg[0] = PHYSDEVOP_RELEASE_MSIX;
	call.arg[1] = (uintptr_t)device;
	printf("%d\n", ioctl(fd, PRIVCMD_HYPERCALL, &call) < 0 ? -errno : 0);
	return 0;
}

static int do_gsi(const char *bdf)
{
	struct physdev_pci_device device;
	struct pcidev_get_gsi query = { 0 };
	int fd = open_privcmd(bdf, &device);

	if (fd < 0)
		return 2;
	query.sbdf = (uint32_t)device.seg << 16 | device.bus << 8 | device.devfn;
	if (ioctl(fd, PCIDEV_GET_GSI, &query) < 0)
		printf("-%d\n", errno);
	else
		printf("%u\n", query.gsi);
	return 0;
}

static int do_mmio(const char *bdf, const char *bar, unsigned long offset, const char *value)
{
	char path[128];
	volatile uint32_t *page;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%s", bdf, bar);
	fd = open(path, O_RDWR | O_SYNC);
	if (fd < 0) {
		perror(path);
		return 2;
	}
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset & ~4095UL);
	if (page == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	if (value)
		page[(offset & 4095) / 4] = strtoul(value, NULL, 0);
	printf("0x%08x\n", page[(offset & 4095) / 4]);
	return 0;
}

/* The kernel sends an event before it goes on, so when the command has ended all are there. */
static int do_uevents(char **command)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
	int room = 16 << 20;
	static char event[16384];
	ssize_t length;
	int status;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    bind(fd, (struct sockaddr *)&kernel, sizeof(kernel))) {
		perror("netlink");
		return 2;
	}
	if (!fork()) {
		execvp(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	wait(&status);
	while ((length = recv(fd, event, sizeof(event) - 1, MSG_DONTWAIT)) > 0) {
		event[length] = 0;
		if (!memmem(event, length, "\0PCIBACK_", 9))
			continue;
		for (char *text = event; text < event + length; text += strlen(text) + 1)
			printf("%s%s", text == event ? "" : " ", text);
		printf("\n");
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	if ((argc == 3 || argc == 4) && !strcmp(argv[1], "write"))
		return do_write(argv[2], argc == 4 ? atol(argv[3]) : 1);
	if (argc == 4 && !strcmp(argv[1], "failnth"))
		return do_failnth(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "gsi"))
		return do_gsi(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "release_msix"))
		return do_release_msix(argv[2]);
	if ((argc == 5 || argc == 6) && !strcmp(argv[1], "mmio"))
		return do_mmio(argv[2], argv[3], strtoul(argv[4], NULL, 0), argv[5]);
	if (argc >= 3 && !strcmp(argv[1], "uevents"))
		return do_uevents(argv + 2);
	fprintf(stderr, "usage: see the head of the source\n");
	return 2;
}
