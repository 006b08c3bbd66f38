/* Strings and numbers as SSH writes them (RFC 4251 §5), for the agent's protocol, key files and
 * channel messages. Reading never goes past the end: it fails once and stays failed. */
#ifndef SHIPIT_TRANSPORT_SSH_WIRE_H
#define SHIPIT_TRANSPORT_SSH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct wire {
	const unsigned char *data;
	size_t len;
	bool failed;
};

uint8_t wire_u8(struct wire *wire);
uint32_t wire_u32(struct wire *wire);
/* Borrowed from the message; NULL and 0 when it does not fit. */
const unsigned char *wire_string(struct wire *wire, size_t *ret_len);

/* 0, or -1 as buf_add. */
int wire_add_u8(struct buf *buf, uint8_t value);
int wire_add_u32(struct buf *buf, uint32_t value);
int wire_add_string(struct buf *buf, const void *data, size_t len);

/* Is the string that a key blob starts with, its type, `type`? */
bool wire_blob_is(const unsigned char *blob, size_t len, const char *type);
/* The type of a key blob as a malloc'ed string; NULL when it has none or there is no memory. */
char *wire_blob_type(const unsigned char *blob, size_t len);

#endif
