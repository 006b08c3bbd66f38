#include <libdeflate.h>
#include <string.h>

#include "transport/registry/pack.h"

struct unpacker {
	struct libdeflate_decompressor *decompressor;
};

int unpacker_new(struct unpacker **ret, struct error *err)
{
	struct unpacker *unpacker = malloc(sizeof(*unpacker));

	if (unpacker == NULL)
		return error_memory(err);
	unpacker->decompressor = libdeflate_alloc_decompressor();
	if (unpacker->decompressor == NULL) {
		free(unpacker);
		return error_memory(err);
	}
	*ret = unpacker;
	return 0;
}

int unpack(struct unpacker *unpacker, const void *member, size_t len, void *ret, size_t size,
    struct error *err)
{
	size_t in = 0, out = 0;
	enum libdeflate_result rc = libdeflate_gzip_decompress_ex(
	    unpacker->decompressor, member, len, ret, size, &in, &out);

	if (rc != LIBDEFLATE_SUCCESS || in != len || out != size)
		return error_set(err, ERROR_PROTOCOL, "it is no gzip member of %zu bytes", size);
	return 0;
}

void unpacker_free(struct unpacker *unpacker)
{
	if (unpacker == NULL)
		return;
	libdeflate_free_decompressor(unpacker->decompressor);
	free(unpacker);
}
