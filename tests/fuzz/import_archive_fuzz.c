/* Archives of images: any bytes, into a store. Whatever is refused leaves no tag; whatever is taken
 * is an image that can be looked at. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/registry/import_internal.h"

static struct store *store;
static char dir[64];

static void clean_up(void)
{
	static const char *const names[] = {"", "-wal", "-shm", ".lock", "-lock"};
	char path[100];

	store_close(store);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/store.db%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

/* One for all inputs: to make one takes longer than to read an archive. */
static void open_store(void)
{
	struct error err = {0};
	char path[100];

	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/import-fuzz-XXXXXX"
						  : "/tmp/import-fuzz-XXXXXX");
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/store.db", dir);
	if (store_open(path, &store, &err) < 0)
		abort();
	atexit(clean_up);
}

/* What was mutated would be stopped by the sums of tar headers: they are set right (POSIX ustar).
 */
static void mend_sums(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 512 <= size; at += 512) {
		uint8_t *header = data + at;
		unsigned int sum = 0;

		if (memcmp(header + 257, "ustar", 5) != 0)
			continue;
		memset(header + 148, ' ', 8);
		for (size_t i = 0; i < 512; i++)
			sum += header[i];
		snprintf((char *)header + 148, 8, "%06o", sum);
	}
}

static int archive_fd(const uint8_t *data, size_t size)
{
	FILE *file = tmpfile();
	int fd;

	if (file == NULL || fwrite(data, 1, size, file) != size || fflush(file) != 0)
		abort();
	rewind(file);
	fd = dup(fileno(file));
	fclose(file);
	return fd;
}

static int import(
    const struct import_target *target, int fd, struct imported *ret, struct error *err)
{
	struct import import;
	int rc;

	import_init(&import, target);
	import.limits.unpacked_free = 8 << 20;
	import.limits.unpacked_ratio = 10;
	rc = import_stream(&import, fd, NULL, true, err);
	if (rc == 0)
		rc = import_finish(&import, ret, err);
	import_release(&import);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct import_target target = {.repository = "fuzz", .tag = "1", .cancel_fd = -1};
	struct error err = {0};
	struct imported imported = {0}, again = {0};
	uint8_t *mended = malloc(size + 1);
	int fd, rc;

	if (mended == NULL)
		abort();
	memcpy(mended, data, size);
	mend_sums(mended, size);
	fd = archive_fd(mended, size);
	free(mended);
	if (store == NULL)
		open_store();
	target.store = store;
	rc = import(&target, fd, &imported, &err);
	if ((rc < 0) != (err.kind != ERROR_NONE) || (rc == 0) != (imported.n > 0))
		abort();
	if (rc == 0 && (import_look(store, "fuzz", "1", &again, NULL) < 0 || again.n != imported.n))
		abort();
	imported_release(&imported);
	imported_release(&again);
	error_release(&err);
	store_tag_remove(store, "fuzz", "1", NULL);
	close(fd);
	return 0;
}
