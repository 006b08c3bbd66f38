/* Tar archives out of containers: any bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transport/tar.h"

enum { MEMBER_MAX = 64 * 1024 };

static int take(void *context UNUSED, const struct tar_member *member, struct error *err UNUSED)
{
	if (member->name == NULL || member->len > MEMBER_MAX || member->data[member->len] != '\0' ||
	    (member->type != TAR_FILE && member->len > 0))
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = {0};
	int rc = tar_walk(data, size, MEMBER_MAX, take, NULL, &err);

	if ((rc < 0) != (err.kind != ERROR_NONE))
		abort();
	error_release(&err);
	return 0;
}
