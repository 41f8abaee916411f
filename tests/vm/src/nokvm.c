// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into QEMU, for its `x-pci-proxy-dev`: that asks KVM for an interrupt route without
 * asking first whether there is KVM (proxy_intx_update() of QEMU 10.0), and with TCG follows a
 * null pointer. From here on KVM refuses whatever it is asked, which that device takes well.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void __attribute__((constructor)) refuse(void)
{
	/* mov $-ENOSYS, %eax; ret */
	uint8_t code[6] = { 0xb8, 0, 0, 0, 0, 0xc3 };
	int32_t result = -ENOSYS;
	uint8_t *ioctl = dlsym(RTLD_DEFAULT, "kvm_vm_ioctl");
	uintptr_t page = (uintptr_t)ioctl & ~(uintptr_t)(getpagesize() - 1);

	if (!ioctl)
		return; /* Preloaded into something else, a shell for instance. */
	memcpy(code + 1, &result, sizeof(result));
	if (mprotect((void *)page, 2 * getpagesize(), PROT_READ | PROT_WRITE | PROT_EXEC)) {
		perror("nokvm");
		exit(1);
	}
	memcpy(ioctl, code, sizeof(code));
	mprotect((void *)page, 2 * getpagesize(), PROT_READ | PROT_EXEC);
}
