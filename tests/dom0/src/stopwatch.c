// SPDX-License-Identifier: GPL-2.0
/*
 * Times one thing in dom0, without the cost of a shell around it:
 *
 *   stopwatch load FILE [PARAMETERS]    loads a kernel module
 *   stopwatch unload NAME               unloads one
 *   stopwatch write TEXT FILE...        writes a text to files, one after the other
 *   stopwatch together TEXT FILE...     the same to all at once, from a thread each
 *   stopwatch read TIMES FILE...        opens, reads to the end and closes each file, many times
 *
 * Prints a line of JSON: the microseconds that passed, the microseconds that the processors were
 * busy meanwhile (with anything; 0 if the kernel doesn't count that), the bytes read or written,
 * and the errno of the first call that failed, or 0.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic int failure;
static _Atomic long bytes;
static int64_t busy, start;

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

/* From here on it counts. */
static void begin(void)
{
	busy = busy_us();
	start = now_us();
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

/* What a thread writes, once all threads are there. */
struct one {
	const char *text, *file;
	pthread_barrier_t *all;
};

static void *write_behind_barrier(void *opaque)
{
	struct one *one = opaque;

	pthread_barrier_wait(one->all);
	write_one(one->text, one->file);
	return NULL;
}

static void write_together(const char *text, char **files, int count)
{
	pthread_t *threads = calloc(count, sizeof(*threads));
	struct one *ones = calloc(count, sizeof(*ones));
	pthread_barrier_t all;

	if (!threads || !ones || pthread_barrier_init(&all, NULL, count + 1))
		abort();
	for (int i = 0; i < count; i++) {
		ones[i] = (struct one){ text, files[i], &all };
		if (pthread_create(&threads[i], NULL, write_behind_barrier, &ones[i]))
			abort();
	}
	begin();
	pthread_barrier_wait(&all);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
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

	begin();
	if (!strcmp(what, "load")) {
		load(argv[2], argc > 3 ? argv[3] : "");
	} else if (!strcmp(what, "unload")) {
		if (syscall(SYS_delete_module, argv[2], O_NONBLOCK))
			failed();
	} else if (!strcmp(what, "write")) {
		for (char **file = argv + 3; *file; file++)
			write_one(argv[2], *file);
	} else if (!strcmp(what, "together") && argc > 3) {
		write_together(argv[2], argv + 3, argc - 3);
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
	       (long long)wall, (long long)(busy_us() - busy), (long)bytes, (int)failure);
	return 0;
}
