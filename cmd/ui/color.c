#include "cmd/ui/color.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

enum { CLEANED_MAX = 16 * 1024 };

bool color_wanted(int fd, bool no_color)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	if (no_color || (none != NULL && *none != '\0'))
		return false;
	return isatty(fd) && term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
}

const char *hue_on(bool color, enum hue hue)
{
	static const char *const sequences[] = {
	    [HUE_PLAIN] = "",
	    [HUE_GOOD] = "\033[32m",
	    [HUE_BAD] = "\033[31m",
	    [HUE_WARN] = "\033[35m",
	    [HUE_FAINT] = "\033[2m",
	    [HUE_STRONG] = "\033[1m",
	};

	return color ? sequences[hue] : "";
}

const char *hue_off(bool color, enum hue hue)
{
	return color && hue != HUE_PLAIN ? "\033[0m" : "";
}

/* The next code point; text that was cleaned is valid UTF-8. */
static uint32_t decode(const char *text, size_t *ret_len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t point = len == 1 ? s[0] : s[0] & (0xffU >> (len + 1));

	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			*ret_len = 1;
			return s[0];
		}
		point = point << 6 | (s[i] & 0x3f);
	}
	*ret_len = len;
	return point;
}

static bool between(uint32_t point, const uint32_t (*ranges)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (point >= ranges[i][0] && point <= ranges[i][1])
			return true;
	return false;
}

/* Unicode's East Asian Width, roughly: what is wrong here costs a crooked column, no more. */
static size_t point_width(uint32_t point)
{
	static const uint32_t none[][2] = {{0x300, 0x36f}, {0x200b, 0x200f}, {0xfe00, 0xfe0f},
	    {0x20d0, 0x20ff}, {0x2060, 0x2060}, {0xfeff, 0xfeff}};
	static const uint32_t wide[][2] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3},
	    {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6},
	    {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

	if (point < 0x300)
		return 1;
	if (between(point, none, ARRAY_SIZE(none)))
		return 0;
	return between(point, wide, ARRAY_SIZE(wide)) ? 2 : 1;
}

size_t text_width(const char *text)
{
	size_t width = 0, len;

	for (; *text != '\0'; text += len)
		width += point_width(decode(text, &len));
	return width;
}

int text_fit(struct buf *out, const char *text, size_t columns, bool pad)
{
	size_t width = text_width(text), room = width > columns ? columns - (columns > 0) : columns;
	size_t used = 0;

	while (*text != '\0') {
		size_t len, wide = point_width(decode(text, &len));

		if (used + wide > room)
			break;
		if (buf_add(out, text, len) < 0)
			return -1;
		used += wide;
		text += len;
	}
	if (*text != '\0' && columns > 0) {
		if (buf_addc(out, '~') < 0)
			return -1;
		used++;
	}
	for (; pad && used < columns; used++)
		if (buf_addc(out, ' ') < 0)
			return -1;
	return 0;
}

char *text_cleaned(const char *text)
{
	CLEANUP_BUF struct buf out = BUF_INIT(4 * CLEANED_MAX);
	size_t len;

	if (text == NULL)
		return NULL;
	len = strnlen(text, CLEANED_MAX);
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (text_clean(&out, text, len, true) < 0)
		return NULL;
	for (size_t i = 0; i < out.len; i++)
		if (out.data[i] == '\t')
			out.data[i] = ' ';
	return buf_steal(&out);
}
