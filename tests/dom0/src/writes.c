// SPDX-License-Identifier: GPL-2.0
/*
 * writes DIRECTORY <FRAMES: writes many texts to files, which a shell would take a process each for.
 *
 * A frame is a line "NAME LENGTH", then so many bytes. Each text is one write() to the file of that
 * name, in DIRECTORY unless the name is a path, opened for that write alone: sysfs hands a text on as
 * it comes. For each frame a line is printed: the errno, 0 where all was taken, "short" where less was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char text[1 << 20];

int main(int argc, char **argv)
{
	char name[256];
	size_t length;

	if (argc != 2 || chdir(argv[1])) {
		fprintf(stderr, "usage: writes DIRECTORY <FRAMES\n");
		return 2;
	}
	while (scanf("%255s %zu", name, &length) == 2) {
		ssize_t taken;
		int fd;

		if (getchar() != '\n' || length > sizeof(text) || fread(text, 1, length, stdin) != length) {
			fprintf(stderr, "%s: not a frame\n", name);
			return 2;
		}
		fd = open(name, O_WRONLY);
		if (fd < 0) {
			perror(name);
			return 2;
		}
		taken = write(fd, text, length);
		if (taken < 0)
			printf("%d\n", errno);
		else
			printf(taken == (ssize_t)length ? "0\n" : "short\n");
		close(fd);
	}
	return feof(stdin) ? 0 : 2;
}
