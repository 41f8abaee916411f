// SPDX-License-Identifier: GPL-2.0
/*
 * What each worker of storm.c does one after the other: it depends on the seed and the worker's
 * number alone.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DRIVER "/sys/bus/pci/drivers/pciback/"
#define DEVICES "/sys/bus/pci/devices/"
#define MODULE "/root/rust_pciback.ko"
#define NAMES 24

enum how { WRITE, WRITE_TWO, WRITE_QUIRK, READ, READ_WORD, READ_LINK, RMMOD, INSMOD };

/*
 * In `share` of all operations, on average, of 1000; for the rest the module is unloaded and loaded.
 * %s in a path is the device.
 */
static const struct kind {
	const char *name;
	enum how how;
	const char *path;
	unsigned int share;
} kinds[] = {
	{ "bind", WRITE, DRIVER "bind", 190 },
	{ "unbind", WRITE, DRIVER "unbind", 60 },
	{ "new_slot", WRITE, DRIVER "new_slot", 100 },
	{ "remove_slot", WRITE, DRIVER "remove_slot", 25 },
	{ "probe", WRITE, DRIVER "probe", 60 },
	{ "reset", WRITE, DRIVER "reset_device", 160 },
	{ "reset_two", WRITE_TWO, DRIVER "reset_device", 80 },
	{ "do_flr", WRITE, DRIVER "do_flr", 30 },
	{ "permissive", WRITE, DRIVER "permissive", 30 },
	{ "restrictive", WRITE, DRIVER "restrictive", 20 },
	{ "interrupt", WRITE, DRIVER "allow_interrupt_control", 15 },
	{ "quirk", WRITE_QUIRK, DRIVER "quirks", 15 },
	{ "native", WRITE, "/sys/bus/pci/drivers_probe", 20 },
	{ "take", WRITE, DEVICES "%s/driver/unbind", 80 },
	{ "read_slots", READ, DRIVER "slots", 24 },
	{ "read_claimed", READ, DRIVER "irq_handlers", 30 },
	{ "read_permissive", READ, DRIVER "permissive", 20 },
	{ "read_quirks", READ, DRIVER "quirks", 10 },
	{ "read_state", READ_WORD, DEVICES "%s/pciback/state", 15 },
	{ "read_link", READ_LINK, DEVICES "%s/driver", 15 },
};
static const struct kind rmmod = { "rmmod", RMMOD, "", 0 };
static const struct kind insmod = { "insmod", INSMOD, MODULE, 0 };

struct operation {
	const struct kind *kind;
	int device;
	unsigned int offset; /* of a quirk */
};

/* The sequence of a worker. */
struct plan {
	uint64_t state;
	int devices;
	int reloading;
};

/* splitmix64, of Vigna */
static uint64_t draw(struct plan *plan)
{
	uint64_t z = plan->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static struct plan make_plan(uint64_t seed, int worker, int count)
{
	struct plan plan = { .state = seed, .devices = count };

	plan.state = draw(&plan) + worker * 0xd1342543de82ef95ULL;
	return plan;
}

static struct operation next(struct plan *plan)
{
	struct operation op = { .kind = &insmod, .device = -1 };
	unsigned int chance = draw(plan) % 1000;
	unsigned int i;

	/* A module that is gone comes back at once: without it there is nothing to do. */
	if (plan->reloading) {
		plan->reloading = 0;
		return op;
	}
	op.kind = &rmmod;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (chance < kinds[i].share) {
			op.kind = &kinds[i];
			break;
		}
		chance -= kinds[i].share;
	}
	plan->reloading = op.kind == &rmmod;
	if (op.kind->how != READ && op.kind->how != RMMOD)
		op.device = draw(plan) % plan->devices;
	if (op.kind->how == WRITE_TWO)
		op.device &= ~1;
	if (op.kind->how == WRITE_QUIRK)
		op.offset = 0x40 + draw(plan) % 64;
	return op;
}

static void name_devices(const struct operation *op, char text[NAMES])
{
	if (op->device < 0)
		strcpy(text, "-");
	else if (op->kind->how == WRITE_TWO)
		snprintf(text, NAMES, "%d,%d", op->device, op->device + 1);
	else
		snprintf(text, NAMES, "%d", op->device);
}

static void print_plan(uint64_t seed, int worker, long count, int many)
{
	struct plan plan = make_plan(seed, worker, many);
	long number;

	for (number = 0; number < count; number++) {
		struct operation op = next(&plan);
		char names[NAMES];

		name_devices(&op, names);
		printf("%d %ld %s %s\n", worker, number, op.kind->name, names);
	}
}
