// SPDX-License-Identifier: GPL-2.0
/*
 * Times one thing in dom0, without the cost of a shell around it:
 *
 *   stopwatch load FILE [PARAMETERS]    loads a kernel module
 *   stopwatch unload NAME               unloads one
 *   stopwatch write TEXT FILE...        writes a text to files, one after the other
 *   stopwatch read TIMES FILE...        opens, reads to the end and closes each file, many times
 *
 * Prints a line of JSON: the microseconds that passed, the microseconds that the processors were
 * busy meanwhile (with anything; 0 if the kernel doesn't count that), the bytes read or written,
 * and the errno of the first call that failed, or 0.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int failure;
static long bytes;

static void failed(void)
{
	if (!failure)
		failure = errno;
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/*
 * The time that tasks have run on all processors: the seventh figure of each "cpuN" line
 * (Documentation/scheduler/sched-stats.rst), in nanoseconds. 0 if the kernel doesn't count it
 * (CONFIG_SCHEDSTATS).
 */
static int64_t busy_us(void)
{
	FILE *stats = fopen("/proc/schedstat", "r");
	int64_t sum = 0;
	char line[4096];

	if (!stats)
		return 0;
	while (fgets(line, sizeof(line), stats)) {
		unsigned long long ran;

		if (sscanf(line, "cpu%*d %*u %*u %*u %*u %*u %*u %llu", &ran) == 1)
			sum += ran;
	}
	fclose(stats);
	return sum / 1000;
}

static void load(const char *file, const char *parameters)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, parameters, 0))
		failed();
}

static void write_one(const char *text, const char *file)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	ssize_t done = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (done < 0)
		failed();
	else
		bytes += done;
	if (fd >= 0)
		close(fd);
}

static void read_one(const char *file)
{
	static char text[1 << 16];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : 1;

	while (got > 0) {
		got = read(fd, text, sizeof(text));
		bytes += got > 0 ? got : 0;
	}
	if (got < 0)
		failed();
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	int64_t busy = busy_us(), start = now_us();

	if (!strcmp(what, "load")) {
		load(argv[2], argc > 3 ? argv[3] : "");
	} else if (!strcmp(what, "unload")) {
		if (syscall(SYS_delete_module, argv[2], O_NONBLOCK))
			failed();
	} else if (!strcmp(what, "write")) {
		for (char **file = argv + 3; *file; file++)
			write_one(argv[2], *file);
	} else if (!strcmp(what, "read")) {
		for (long times = atol(argv[2]); times > 0; times--)
			for (char **file = argv + 3; *file; file++)
				read_one(*file);
	} else {
		fprintf(stderr, "usage: see the head of the source\n");
		return 2;
	}
	int64_t wall = now_us() - start;

	printf("{\"wall_us\": %lld, \"busy_us\": %lld, \"bytes\": %ld, \"errno\": %d}\n",
	       (long long)wall, (long long)(busy_us() - busy), bytes, failure);
	return 0;
}
