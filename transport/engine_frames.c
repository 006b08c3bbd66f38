#include "transport/engine_frames.h"

#include <string.h>

static size_t take_header(
    struct frames *frames, const char *data, size_t len, struct frame_piece *ret)
{
	const unsigned char *h = frames->head;
	size_t take = sizeof(frames->head) - frames->head_len;

	if (take > len)
		take = len;
	memcpy(frames->head + frames->head_len, data, take);
	frames->head_len += take;
	if (frames->head_len < sizeof(frames->head))
		return take;
	frames->head_len = 0;
	frames->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
	frames->raw = h[0] > 3 || h[1] != 0 || h[2] != 0 || h[3] != 0;
	if (frames->raw)
		*ret = (struct frame_piece){1, (const char *)h, sizeof(frames->head)};
	return take;
}

size_t frames_take(struct frames *frames, const char *data, size_t len, struct frame_piece *ret)
{
	size_t take = len;

	*ret = (struct frame_piece){1, data, 0};
	if (!frames->raw && frames->left == 0)
		return take_header(frames, data, len, ret);
	if (!frames->raw) {
		if (take > frames->left)
			take = frames->left;
		frames->left -= (uint32_t)take;
		ret->stream = frames->head[0] == 2 ? 2 : 1;
	}
	ret->len = take;
	return take;
}
