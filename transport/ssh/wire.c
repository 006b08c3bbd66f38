#include "transport/ssh/wire.h"

#include <string.h>

static const unsigned char *take(struct wire *wire, size_t n)
{
	const unsigned char *at = wire->data;

	if (wire->failed || wire->len < n) {
		wire->failed = true;
		return NULL;
	}
	wire->data += n;
	wire->len -= n;
	return at;
}

uint8_t wire_u8(struct wire *wire)
{
	const unsigned char *at = take(wire, 1);

	return at != NULL ? at[0] : 0;
}

uint32_t wire_u32(struct wire *wire)
{
	const unsigned char *at = take(wire, 4);

	if (at == NULL)
		return 0;
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

const unsigned char *wire_string(struct wire *wire, size_t *ret_len)
{
	uint32_t len = wire_u32(wire);
	const unsigned char *at = take(wire, len);

	*ret_len = at != NULL ? len : 0;
	return at;
}

int wire_add_u8(struct buf *buf, uint8_t value)
{
	return buf_add(buf, &value, 1);
}

int wire_add_u32(struct buf *buf, uint32_t value)
{
	unsigned char bytes[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
	    (unsigned char)(value >> 8), (unsigned char)value};

	return buf_add(buf, bytes, sizeof(bytes));
}

int wire_add_string(struct buf *buf, const void *data, size_t len)
{
	return wire_add_u32(buf, (uint32_t)len) < 0 ? -1 : buf_add(buf, data, len);
}

bool wire_blob_is(const unsigned char *blob, size_t len, const char *type)
{
	struct wire wire = {.data = blob, .len = len};
	size_t n;
	const unsigned char *at = wire_string(&wire, &n);

	return at != NULL && n == strlen(type) && memcmp(at, type, n) == 0;
}

char *wire_blob_type(const unsigned char *blob, size_t len)
{
	struct wire wire = {.data = blob, .len = len};
	size_t n;
	const unsigned char *at = wire_string(&wire, &n);

	return at != NULL && n > 0 && memchr(at, '\0', n) == NULL ? strndup((const char *)at, n)
								  : NULL;
}
