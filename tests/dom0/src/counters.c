// SPDX-License-Identifier: GPL-2.0
/*
 * counters DIRECTORY NAME=LENGTH...: copies sections of the module, as it is in the kernel's memory now, to files
 * of these names there, and its addresses to "addresses". Where the file of the counters is there already, they
 * are added to it: the module may have been loaded before.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTIONS "/sys/module/rust_pciback/sections/"
#define COUNTERS "__llvm_prf_cnts"

static Elf64_Phdr headers[64];

/* Where an address of the kernel is in /proc/kcore. */
static long long place(int core, uint64_t address, size_t length)
{
	Elf64_Ehdr head;
	int i;

	if (pread(core, &head, sizeof(head), 0) != sizeof(head) || head.e_phnum > 64)
		return -1;
	if (pread(core, headers, head.e_phnum * sizeof(*headers), head.e_phoff) < 0)
		return -1;
	for (i = 0; i < head.e_phnum; i++) {
		const Elf64_Phdr *part = &headers[i];

		if (part->p_type == PT_LOAD && address >= part->p_vaddr &&
		    address + length <= part->p_vaddr + part->p_memsz)
			return part->p_offset + (address - part->p_vaddr);
	}
	return -1;
}

static int copy(int core, const char *name, size_t length, FILE *addresses)
{
	uint64_t *now = calloc(1, length + 8), *sum = calloc(1, length + 8);
	char path[256];
	uint64_t address;
	FILE *file;
	size_t i;

	snprintf(path, sizeof(path), SECTIONS "%s", name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%lx", &address) != 1)
		return -1;
	fclose(file);
	fprintf(addresses, "%s %#lx\n", name, address);
	if (!now || !sum || pread(core, now, length, place(core, address, length)) != (ssize_t)length)
		return -1;
	file = strcmp(name, COUNTERS) ? NULL : fopen(name, "r");
	if (file) {
		if (fread(sum, 1, length, file) != length)
			return -1;
		fclose(file);
		for (i = 0; i < length / sizeof(*now); i++)
			now[i] += sum[i];
	}
	file = fopen(name, "w");
	if (!file || fwrite(now, 1, length, file) != length || fclose(file))
		return -1;
	free(now);
	free(sum);
	return 0;
}

int main(int argc, char **argv)
{
	int core = open("/proc/kcore", O_RDONLY);
	FILE *addresses;
	int i;

	if (argc < 3 || core < 0 || chdir(argv[1])) {
		perror("counters");
		return 2;
	}
	/* (Another module of this name has no counters.) */
	if (access(SECTIONS COUNTERS, F_OK))
		return 0;
	addresses = fopen("addresses.new", "w");
	if (!addresses)
		return 2;
	for (i = 2; i < argc; i++) {
		char *length = strchr(argv[i], '=');

		if (!length)
			return 2;
		*length++ = '\0';
		if (copy(core, argv[i], strtoul(length, NULL, 0), addresses)) {
			fprintf(stderr, "counters: cannot copy %s\n", argv[i]);
			return 1;
		}
	}
	return fclose(addresses) || rename("addresses.new", "addresses");
}
