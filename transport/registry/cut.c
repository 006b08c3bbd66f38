#include "transport/registry/cut.h"

#include <pthread.h>

/* 2^17 and 2^13 bytes on average: two bits more and two less than 32 KiB. The upper bits of the
 * hash, which depend on the most bytes. */
#define MASK_BEFORE (~UINT64_C(0) << (64 - 17))
#define MASK_AFTER  (~UINT64_C(0) << (64 - 13))

static uint64_t gear[256];
static pthread_once_t gear_once = PTHREAD_ONCE_INIT;

/* One number for each value of a byte: SplitMix64 (Steele, Lea, Flood, 2014) from state 0. */
static void gear_fill(void)
{
	uint64_t state = 0;

	for (size_t i = 0; i < 256; i++) {
		uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		gear[i] = z ^ (z >> 31);
	}
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Roll over `len` bytes; true when the hash says that the chunk ends after the `ret_taken` first.
 */
static bool roll(
    uint64_t *hash, uint64_t mask, const unsigned char *data, size_t len, size_t *ret_taken)
{
	uint64_t rolled = *hash;
	bool found = false;
	size_t i = 0;

	while (i < len && !found) {
		rolled = (rolled << 1) + gear[data[i++]];
		found = (rolled & mask) == 0;
	}
	*hash = rolled;
	*ret_taken = i;
	return found;
}

size_t cutter_feed(struct cutter *cutter, const unsigned char *data, size_t len, bool *ret_cut)
{
	size_t taken = 0, n;
	bool cut = false;

	pthread_once(&gear_once, gear_fill);
	if (cutter->len < CUT_MIN) {
		taken = least(len, CUT_MIN - cutter->len);
		cutter->len += taken;
	}
	while (!cut && taken < len) {
		bool before = cutter->len < CUT_NORMAL;
		size_t room = (before ? CUT_NORMAL : CUT_MAX) - cutter->len;

		cut = roll(&cutter->hash, before ? MASK_BEFORE : MASK_AFTER, data + taken,
		    least(len - taken, room), &n);
		taken += n;
		cutter->len += n;
		cut = cut || cutter->len == CUT_MAX;
	}
	if (cut)
		*cutter = (struct cutter){0};
	*ret_cut = cut;
	return taken;
}
