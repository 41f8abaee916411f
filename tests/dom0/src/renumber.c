// SPDX-License-Identifier: GPL-2.0
/*
 * renumber DIR TIMES BDF...: rewrites a list of devices in xenstore (dev-N, state-N, num_devs) so
 * often, each time in one transaction and in another order, as libxl renumbers its list. Now and
 * then the list has one device less for a moment that ends within the transaction. Prints how often
 * a transaction had to be tried again.
 *
 * It speaks the protocol of xenstored itself (xen/include/public/io/xs_wire.h), through the kernel.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { XS_TRANSACTION_START = 6, XS_TRANSACTION_END = 7, XS_WRITE = 11, XS_RM = 13, XS_ERROR = 16 };

struct message {
	uint32_t type, request, transaction, length;
};

static int bus;

static void all(int done, const char *what)
{
	if (done < 0) {
		perror(what);
		exit(2);
	}
}

/* Sends a request, and puts the answer into reply, which has room for it. Returns its type. */
static uint32_t ask(uint32_t type, uint32_t transaction, const char *body, size_t length, char *reply)
{
	char out[sizeof(struct message) + 512];
	struct message head = { .type = type, .transaction = transaction, .length = length };
	size_t got = 0;

	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head), body, length);
	all(write(bus, out, sizeof(head) + length), "write");
	while (got < sizeof(head)) {
		ssize_t n = read(bus, (char *)&head + got, sizeof(head) - got);

		all(n, "read");
		got += n;
	}
	for (got = 0; got < head.length;) {
		ssize_t n = read(bus, reply + got, head.length - got);

		all(n, "read");
		got += n;
	}
	reply[head.length] = 0;
	return head.type;
}

static void put(uint32_t transaction, const char *dir, const char *name, const char *value)
{
	char body[512], reply[4097];
	int length = snprintf(body, sizeof(body), "%s/%s", dir, name) + 1;

	length += snprintf(body + length, sizeof(body) - length, "%s", value);
	if (ask(XS_WRITE, transaction, body, length, reply) == XS_ERROR) {
		fprintf(stderr, "write of %s: %s\n", name, reply);
		exit(2);
	}
}

static void drop(uint32_t transaction, const char *dir, const char *name)
{
	char body[512], reply[4097];
	int length = snprintf(body, sizeof(body), "%s/%s", dir, name) + 1;

	ask(XS_RM, transaction, body, length, reply);
}

static void number(uint32_t transaction, const char *dir, const char *name, int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", value);
	put(transaction, dir, name, text);
}

int main(int argc, char **argv)
{
	const char *dir = argv[1];
	int times, count, again = 0;

	if (argc < 4)
		return 2;
	times = atoi(argv[2]);
	count = argc - 3;
	bus = open("/dev/xen/xenbus", O_RDWR);
	all(bus, "/dev/xen/xenbus");
	for (int round = 0; round < times;) {
		char reply[4097], name[32];
		uint32_t transaction;

		ask(XS_TRANSACTION_START, 0, "", 1, reply);
		transaction = strtoul(reply, NULL, 10);
		drop(transaction, dir, "num_devs");
		for (int i = 0; i < count; i++) {
			snprintf(name, sizeof(name), "dev-%d", i);
			drop(transaction, dir, name);
			put(transaction, dir, name, argv[3 + (i + round) % count]);
			snprintf(name, sizeof(name), "state-%d", i);
			number(transaction, dir, name, 3);
		}
		number(transaction, dir, "num_devs", count);
		if (ask(XS_TRANSACTION_END, transaction, "T", 2, reply) == XS_ERROR)
			again++;
		else
			round++;
	}
	printf("%d\n", again);
	return 0;
}
