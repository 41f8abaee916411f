// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on the driver by several processes at the same time, each told with the time
 * that it took, for the harness to judge (tests/vm/lab/oracle.py):
 *
 *   storm SEED SECONDS WORKERS BDF...      runs it; devices are taken two by two as couples
 *   storm --plan SEED WORKER COUNT BDF...  prints what this worker would do first
 *   storm --now                            prints the time of the clock that is used
 *
 * What a worker does is in storm_plan.h. One line for each operation, on standard output, in the
 * order in which they end:
 *
 *   WORKER NUMBER KIND DEVICES BEGIN END STAGE ERRNO DETAIL
 *
 * DEVICES are places in the list of BDFs, with a comma between two, or "-". Times are nanoseconds
 * of CLOCK_MONOTONIC. STAGE is "open" where the file could not be opened, else "io". DETAIL is what
 * was read: a word, or the devices that were named, as bits; else "-". A worker that doesn't come
 * back within a time has a line "hung", with what it was about and where it is in the kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storm_plan.h"

#define MOST_WORKERS 64
/* More than any answer takes: several resets that each wait 10 s for others, with a slow kernel. */
#define PATIENCE 240

/* What each worker is about, for whoever waits for it in vain. */
static char (*doing)[128];
static char **bdfs;
static int devices;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* The devices that a text names. */
static unsigned int mask_of(const char *text)
{
	unsigned int mask = 0;
	int i;

	for (i = 0; i < devices; i++)
		if (strstr(text, bdfs[i]))
			mask |= 1u << i;
	return mask;
}

/* One read() or write() of a file that is opened for it. */
static int transfer(const char *path, const char *out, char *in, size_t room, const char **stage)
{
	int fd = open(path, out ? O_WRONLY : O_RDONLY);
	ssize_t length;
	int error;

	*stage = fd < 0 ? "open" : "io";
	if (fd < 0)
		return errno;
	length = out ? write(fd, out, strlen(out)) : read(fd, in, room - 1);
	error = length < 0 ? errno : 0;
	if (!error && !out)
		in[length] = 0;
	close(fd);
	return error;
}

static int load(const char *path, const char **stage)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int error;

	*stage = fd < 0 ? "open" : "io";
	if (fd < 0)
		return errno;
	error = syscall(SYS_finit_module, fd, "", 0) ? errno : 0;
	close(fd);
	return error;
}

/*
 * A kernel that releases kobjects late (tests/vm/debug/kasan.config) keeps the drivers' directories
 * for some seconds after the module has gone, and no module can make them again until then.
 */
static int unload(void)
{
	static const char *const made[] = { "/sys/bus/pci/drivers/pciback", "/sys/bus/xen-backend/drivers/pciback" };
	size_t n;
	int tries;

	if (syscall(SYS_delete_module, "rust_pciback", O_NONBLOCK))
		return errno;
	for (n = 0; n < sizeof(made) / sizeof(*made); n++)
		for (tries = 1000; tries && !access(made[n], F_OK); tries--)
			usleep(10000);
	return 0;
}

static int follow(const char *path, char *in, size_t room)
{
	ssize_t length = readlink(path, in, room - 1);

	in[length < 0 ? 0 : length] = 0;
	return length < 0 ? errno : 0;
}

static void execute(int worker, long number, const struct operation *op)
{
	static char in[4096];
	const char *bdf = op->device < 0 ? "" : bdfs[op->device];
	char path[160], out[80], names[NAMES], line[320], detail[80] = "-";
	enum how how = op->kind->how;
	const char *stage = "io";
	uint64_t begin, end;
	int error;

	name_devices(op, names);
	snprintf(doing[worker], sizeof(doing[worker]), "%d %ld %s %s", worker, number, op->kind->name, names);
	snprintf(path, sizeof(path), op->kind->path, bdf);
	snprintf(out, sizeof(out), "%s", bdf);
	if (how == WRITE_TWO)
		snprintf(out, sizeof(out), "%s %s", bdf, bdfs[op->device + 1]);
	if (how == WRITE_QUIRK)
		snprintf(out, sizeof(out), "%s-%x:1:ff", bdf, op->offset);
	begin = now();
	if (how == RMMOD)
		error = unload();
	else if (how == INSMOD)
		error = load(path, &stage);
	else if (how == READ_LINK)
		error = follow(path, in, sizeof(in));
	else
		error = transfer(path, how <= WRITE_QUIRK ? out : NULL, in, sizeof(in), &stage);
	end = now();
	if (!error && how == READ)
		snprintf(detail, sizeof(detail), "%x", mask_of(in));
	if (!error && how == READ_WORD)
		snprintf(detail, sizeof(detail), "%.*s", (int)strcspn(in, "\n"), in);
	if (!error && how == READ_LINK)
		snprintf(detail, sizeof(detail), "%s", basename(in));
	snprintf(line, sizeof(line), "%d %ld %s %s %llu %llu %s %d %s\n", worker, number, op->kind->name, names,
		 (unsigned long long)begin, (unsigned long long)end, stage, error, detail);
	/* One write, so that lines of several workers don't mix. */
	if (write(STDOUT_FILENO, line, strlen(line)) < 0)
		_exit(2);
}

static void work(uint64_t seed, int worker, uint64_t deadline)
{
	struct plan plan = make_plan(seed, worker, devices);
	long number;

	/* What was unloaded is loaded again, whatever the time. */
	for (number = 0; now() < deadline || plan.reloading; number++) {
		struct operation op = next(&plan);

		execute(worker, number, &op);
	}
}

static void report_hung(int worker, pid_t pid)
{
	char path[64], stack[4096] = "";
	const char *stage;
	char *end;

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	transfer(path, NULL, stack, sizeof(stack), &stage);
	for (end = stack; *end; end++)
		if (*end == '\n')
			*end = ' ';
	printf("hung %s: %s\n", doing[worker], stack);
}

static int run(uint64_t seed, int seconds, int workers)
{
	struct timespec left = { .tv_sec = seconds + PATIENCE };
	uint64_t deadline = now() + seconds * 1000000000ULL;
	pid_t pids[MOST_WORKERS] = { 0 };
	sigset_t child;
	int i, alive = workers;

	doing = mmap(NULL, sizeof(*doing) * MOST_WORKERS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (doing == MAP_FAILED)
		return 2;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	for (i = 0; i < workers; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			work(seed, i, deadline);
			_exit(0);
		}
	}
	while (alive) {
		pid_t pid;

		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			for (i = 0; i < workers; i++)
				if (pids[i] == pid) {
					pids[i] = 0;
					alive--;
				}
		if (alive && sigtimedwait(&child, NULL, &left) < 0 && errno == EAGAIN) {
			for (i = 0; i < workers; i++)
				if (pids[i])
					report_hung(i, pids[i]);
			return 3;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--now")) {
		return printf("%llu\n", (unsigned long long)now()) < 0;
	}
	if (argc >= 7 && argc % 2 && !strcmp(argv[1], "--plan")) {
		print_plan(strtoull(argv[2], NULL, 0), atoi(argv[3]), atol(argv[4]), argc - 5);
		return 0;
	}
	bdfs = argv + 4;
	devices = argc - 4;
	if (argc >= 6 && argc % 2 == 0 && atoi(argv[3]) > 0 && atoi(argv[3]) <= MOST_WORKERS)
		return run(strtoull(argv[1], NULL, 0), atoi(argv[2]), atoi(argv[3]));
	fprintf(stderr, "usage: see the head of the source\n");
	return 2;
}
