#include "transport/registry/pack.h"

#include <libdeflate.h>
#include <string.h>

#include "transport/registry/cut.h"

struct packer {
	struct libdeflate_compressor *compressor;
	unsigned char *space;
	size_t size;
};

void packer_free(struct packer *packer)
{
	if (packer == NULL)
		return;
	if (packer->compressor != NULL)
		libdeflate_free_compressor(packer->compressor);
	free(packer->space);
	free(packer);
}

struct packer *packer_new(void)
{
	struct packer *packer = calloc(1, sizeof(*packer));

	if (packer == NULL)
		return NULL;
	packer->compressor = libdeflate_alloc_compressor(PACK_LEVEL);
	if (packer->compressor != NULL) {
		packer->size = libdeflate_gzip_compress_bound(packer->compressor, CUT_MAX);
		packer->space = malloc(packer->size);
	}
	if (packer->space == NULL) {
		packer_free(packer);
		return NULL;
	}
	return packer;
}

unsigned char *pack(struct packer *packer, const void *data, size_t len, size_t *ret_len)
{
	size_t n =
	    libdeflate_gzip_compress(packer->compressor, data, len, packer->space, packer->size);
	unsigned char *member = n > 0 ? malloc(n) : NULL;

	if (member == NULL)
		return NULL;
	memcpy(member, packer->space, n);
	*ret_len = n;
	return member;
}

/* --- back */

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
