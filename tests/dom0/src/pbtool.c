// SPDX-License-Identifier: GPL-2.0
/*
 * What a shell cannot do for the tests in dom0:
 *
 *   pbtool write FILE [N]   one write() (or N) of all of standard input; prints the errno of the
 *                           last, 0 for success
 *   pbtool gsi BDF          privcmd's IOCTL_PRIVCMD_PCIDEV_GET_GSI; prints the GSI, or -errno
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

static int do_gsi(const char *bdf)
{
	unsigned int segment, bus, slot, function;
	struct pcidev_get_gsi query = { 0 };
	int fd = open("/dev/xen/privcmd", O_RDWR);

	if (fd < 0) {
		perror("/dev/xen/privcmd");
		return 2;
	}
	if (sscanf(bdf, "%x:%x:%x.%x", &segment, &bus, &slot, &function) != 4) {
		fprintf(stderr, "not an address: %s\n", bdf);
		return 2;
	}
	query.sbdf = segment << 16 | bus << 8 | slot << 3 | function;
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
	if (argc == 3 && !strcmp(argv[1], "gsi"))
		return do_gsi(argv[2]);
	if ((argc == 5 || argc == 6) && !strcmp(argv[1], "mmio"))
		return do_mmio(argv[2], argv[3], strtoul(argv[4], NULL, 0), argv[5]);
	if (argc >= 3 && !strcmp(argv[1], "uevents"))
		return do_uevents(argv + 2);
	fprintf(stderr, "usage: see the head of the source\n");
	return 2;
}
