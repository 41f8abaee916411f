// SPDX-License-Identifier: GPL-2.0
/*
 * guestrun TTY SECONDS COMMAND: runs a shell command in a guest, through the agent (see
 * tests/vm/image/agent) that listens at the other end of a console whose terminal in dom0 is TTY.
 * Prints the command's output and exits with its status; 125 when no answer came in time or the
 * console has gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { NO_ANSWER = 125 };

static time_t deadline;

static void no_answer(const char *why)
{
	fflush(stdout);
	fprintf(stderr, "guestrun: %s\n", why);
	exit(NO_ANSWER);
}

static int next(int fd)
{
	static unsigned char buffer[4096];
	static ssize_t have, used;

	while (used == have) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		time_t left = deadline - time(NULL);

		if (left <= 0)
			no_answer("no answer in time");
		if (poll(&ready, 1, (int)left * 1000) <= 0)
			continue;
		have = read(fd, buffer, sizeof(buffer));
		used = 0;
		if (have <= 0)
			no_answer("the console has gone");
	}
	return buffer[used++];
}

int main(int argc, char **argv)
{
	char line[256], id[32];
	int fd, status;
	size_t length;
	struct termios raw;

	if (argc != 4)
		return NO_ANSWER;
	fd = open(argv[1], O_RDWR | O_NOCTTY);
	if (fd < 0 || tcgetattr(fd, &raw))
		no_answer("cannot open the console");
	cfmakeraw(&raw);
	/* What an earlier caller did not wait for is of no use. */
	tcsetattr(fd, TCSAFLUSH, &raw);
	/* The agent ends a command that lives too long; its answer still has to come. */
	deadline = time(NULL) + atol(argv[2]) + 20;
	snprintf(id, sizeof(id), "%lx-%x", (long)time(NULL), (unsigned int)getpid());
	if (dprintf(fd, "run %s %s %zu\n%s\n", id, argv[2], strlen(argv[3]) + 1, argv[3]) < 0)
		no_answer("cannot write to the console");
	for (;;) {
		size_t at = 0;
		char found[64] = "";

		for (int c; (c = next(fd)) != '\n';)
			if (at < sizeof(line) - 1)
				line[at++] = (char)c;
		line[at] = 0;
		/* Older answers, and what is no head of an answer, are passed over. */
		if (sscanf(line, "%63s %d %zu", found, &status, &length) == 3 && !strcmp(found, id))
			break;
	}
	while (length--)
		putchar(next(fd));
	return fflush(stdout) ? NO_ANSWER : status;
}
