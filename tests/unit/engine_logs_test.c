/* The engine's log stream: frames, terminals, and the end that is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "transport/engine_logs.h"

static void add_frame(struct buf *stream, int type, const char *text, size_t len)
{
	const unsigned char head[8] = {(unsigned char)type, 0, 0, 0, (unsigned char)(len >> 24),
	    (unsigned char)(len >> 16), (unsigned char)(len >> 8), (unsigned char)len};

	assert_int_equal(buf_add(stream, head, sizeof(head)), 0);
	assert_int_equal(buf_add(stream, text, len), 0);
}

/* What is kept of `data`, fed in pieces of `size`. */
static void run(const struct buf *data, bool raw, size_t keep, size_t size, struct buf *out)
{
	struct log_stream stream;

	buf_init(out, 2 * keep);
	log_stream_init(&stream, raw, keep, out);
	for (size_t at = 0; at < data->len; at += size)
		assert_int_equal(log_stream_feed(&stream, data->data + at,
				     data->len - at < size ? data->len - at : size),
		    0);
	log_stream_end(&stream);
}

static void assert_kept(const struct buf *data, bool raw, size_t keep, const char *want)
{
	for (size_t size = 1; size <= data->len + 1; size++) {
		struct buf out;

		run(data, raw, keep, size, &out);
		assert_string_equal(out.data, want);
		buf_release(&out);
	}
}

static void frames_are_joined_in_order(void **state UNUSED)
{
	struct buf data = BUF_INIT(4096);

	add_frame(&data, 1, "out 1\n", 6);
	add_frame(&data, 2, "err 1\n", 6);
	add_frame(&data, 1, "", 0);
	add_frame(&data, 1, "out 2\n", 6);
	assert_kept(&data, false, 100, "out 1\nerr 1\nout 2\n");
	buf_release(&data);
}

static void a_terminal_has_no_frames(void **state UNUSED)
{
	struct buf data = BUF_INIT(4096);

	buf_adds(&data, "\1hello\r\n$ ");
	assert_kept(&data, true, 100, "\1hello\r\n$ ");
	buf_release(&data);
}

static void what_has_no_header_is_shown_as_it_is(void **state UNUSED)
{
	struct buf data = BUF_INIT(4096);

	add_frame(&data, 1, "good\n", 5);
	buf_adds(&data, "not a header at all\n");
	assert_kept(&data, false, 100, "good\nnot a header at all\n");
	buf_release(&data);
}

static void a_cut_frame_gives_what_came(void **state UNUSED)
{
	struct buf data = BUF_INIT(4096);

	add_frame(&data, 2, "half a line", 11);
	data.len -= 5;
	assert_kept(&data, false, 100, "half a");
	buf_clear(&data);
	buf_add(&data, "\1\0\0", 3);
	assert_kept(&data, false, 100, "");
	buf_release(&data);
}

static void the_end_is_kept_from_a_line_on(void **state UNUSED)
{
	struct buf data = BUF_INIT(4096);

	for (int i = 0; i < 9; i++)
		add_frame(&data, 1 + i % 2, (const char[]){(char)('1' + i), '-', '\n'}, 3);
	assert_kept(&data, false, 8, "8-\n9-\n");
	assert_kept(&data, false, 27, "1-\n2-\n3-\n4-\n5-\n6-\n7-\n8-\n9-\n");
	buf_clear(&data);
	buf_adds(&data, "no line ends here but this is long\n");
	assert_kept(&data, true, 5, "long\n");
	buf_release(&data);
}

/* Against the simple way: join all, take the end. */
static void random_streams_match_the_model(void **state UNUSED)
{
	srand(7);
	for (int round = 0; round < 500; round++) {
		struct buf data = BUF_INIT(1 << 20), model = BUF_INIT(1 << 20), out;
		size_t keep = 1 + (size_t)rand() % 300, from;
		char text[200];

		for (int frames = rand() % 20; frames > 0; frames--) {
			size_t len = (size_t)rand() % sizeof(text);

			for (size_t i = 0; i < len; i++)
				text[i] = "abcdefg\n"[rand() % 8];
			add_frame(&data, rand() % 3, text, len);
			buf_add(&model, text, len);
		}
		from = model.len > keep ? model.len - keep : 0;
		if (from > 0) {
			const char *line = memchr(model.data + from, '\n', keep);

			if (line != NULL && line + 1 < model.data + model.len)
				from = (size_t)(line + 1 - model.data);
		}
		run(&data, false, keep, 1 + (size_t)rand() % 100, &out);
		assert_string_equal(out.data, model.data + from);
		buf_release(&out);
		buf_release(&data);
		buf_release(&model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames_are_joined_in_order),
	    cmocka_unit_test(a_terminal_has_no_frames),
	    cmocka_unit_test(what_has_no_header_is_shown_as_it_is),
	    cmocka_unit_test(a_cut_frame_gives_what_came),
	    cmocka_unit_test(the_end_is_kept_from_a_line_on),
	    cmocka_unit_test(random_streams_match_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
