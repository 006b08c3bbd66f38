/* Byte ranges: of what is asked for (RFC 9110 §14.2), and of chunks that are uploaded
 * (distribution-spec, "Pushing a blob in chunks"). Pure. */
#ifndef SHIPIT_TRANSPORT_REGISTRY_RANGE_H
#define SHIPIT_TRANSPORT_REGISTRY_RANGE_H

#include <stdint.h>

struct range {
	uint64_t start, length;
};

enum range_kind {
	RANGE_WHOLE,	 /* none, not of bytes, several, or malformed: all of it is sent */
	RANGE_PART,	 /* 206 */
	RANGE_UNFITTING, /* 416: it begins behind the end */
};

/* What of `size` bytes a Range header (NULL: none) wants. */
enum range_kind range_parse(const char *header, uint64_t size, struct range *ret);
/* Content-Range of a chunk: "START-END", both included. -1: malformed. */
int range_parse_chunk(const char *header, struct range *ret);

#endif
