/* Where a layer is cut: content-defined chunking (Xia et al., "FastCDC: a Fast and Efficient
 * Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016), with normalized
 * sizes. A boundary depends on the 64 bytes before it and on the distance to the boundary before
 * that, so after a change the same boundaries come again soon.
 *
 * The sizes, the masks and the table are part of the recipe (pack.h): with others, nothing that a
 * store has would be found again. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_CUT_H
#define SHIPIT_TRANSPORT_REGISTRY_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CUT_MIN = 8 * 1024,
	CUT_NORMAL = 32 * 1024, /* before it boundaries are rarer, after it more frequent */
	CUT_MAX = 128 * 1024,
};

/* Zeroed at the beginning. */
struct cutter {
	uint64_t hash;
	size_t len; /* of the chunk so far */
};

/* Take bytes until the chunk ends (`ret_cut`) or there are none left; how many were taken. The
 * boundaries are the same however the bytes are fed. */
size_t cutter_feed(struct cutter *cutter, const unsigned char *data, size_t len, bool *ret_cut);

#endif
