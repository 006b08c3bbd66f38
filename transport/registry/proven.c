/* Blobs that went out whole and right since the server began: their digest is not computed again.
 */
#include <string.h>

#include "transport/registry/server_internal.h"

enum { PROVEN_MAX = 64 * 1024 };

static bool has(const struct proven *proven, const unsigned char raw[DIGEST_RAW_SIZE])
{
	for (size_t i = 0; i < proven->n; i++)
		if (memcmp(proven->v[i], raw, DIGEST_RAW_SIZE) == 0)
			return true;
	return false;
}

bool proven_has(struct proven *proven, const char *digest)
{
	unsigned char raw[DIGEST_RAW_SIZE];
	bool found;

	if (digest_raw_of(digest, raw) < 0)
		return false;
	pthread_mutex_lock(&proven->lock);
	found = has(proven, raw);
	pthread_mutex_unlock(&proven->lock);
	return found;
}

static bool make_room(struct proven *proven)
{
	size_t room = proven->room > 0 ? 2 * proven->room : 64;
	unsigned char(*v)[DIGEST_RAW_SIZE];

	if (proven->n < proven->room)
		return true;
	if (room > PROVEN_MAX)
		return false;
	v = realloc(proven->v, room * DIGEST_RAW_SIZE);
	if (v == NULL)
		return false;
	proven->v = v;
	proven->room = room;
	return true;
}

/* What cannot be remembered is proven again. */
void proven_add(struct proven *proven, const char *digest)
{
	unsigned char raw[DIGEST_RAW_SIZE];

	if (digest_raw_of(digest, raw) < 0)
		return;
	pthread_mutex_lock(&proven->lock);
	if (!has(proven, raw) && make_room(proven))
		memcpy(proven->v[proven->n++], raw, DIGEST_RAW_SIZE);
	pthread_mutex_unlock(&proven->lock);
}

void proven_release(struct proven *proven)
{
	free(proven->v);
	pthread_mutex_destroy(&proven->lock);
}
