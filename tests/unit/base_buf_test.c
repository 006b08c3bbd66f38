/* The growing buffer: its limit, and random use of it against a simple model. */
#include "base/buf.h"
#include "tests/unit/base_check.h"

static void empty_reads_as_a_string(void **state UNUSED)
{
	struct buf buf = BUF_INIT(10);
	char *taken;

	assert_string_equal(buf.data, "");
	buf_clear(&buf);
	buf_drop(&buf, 3);
	assert_int_equal(buf_adds(&buf, ""), 0);
	assert_string_equal(buf.data, "");
	taken = buf_steal(&buf);
	assert_string_equal(taken, "");
	free(taken);
	buf_release(&buf);
	buf_release(&buf);
	assert_string_equal(buf_empty, "");
}

static void limit_is_exact_and_changes_nothing(void **state UNUSED)
{
	struct error err = {0};
	struct buf buf = BUF_INIT(5);

	assert_int_equal(buf_adds(&buf, "abc"), 0);
	assert_int_equal(buf_adds(&buf, "def"), -1);
	assert_string_equal(buf.data, "abc");
	assert_int_equal(buf_error(&buf, &err, "the name"), -1);
	assert_error(&err, ERROR_FAILED, "the name is longer than 5 bytes");
	assert_int_equal(buf_addf(&buf, "%s%d", "x", 17), -1);
	assert_string_equal(buf.data, "abc");
	assert_int_equal(buf_addf(&buf, "%s%d", "x", 1), 0);
	assert_string_equal(buf.data, "abcx1");
	assert_int_equal(buf_addc(&buf, 'y'), -1);
	assert_int_equal(buf_add(&buf, "", 0), 0);
	assert_int_equal(buf.len, 5);
	buf_release(&buf);
	assert_int_equal(buf.max, 5);
	assert_int_equal(buf_adds(&buf, "again"), 0);
	buf_wipe(&buf);
	assert_int_equal(buf.len, 0);
}

static void lengths_near_the_end_of_numbers_are_refused(void **state UNUSED)
{
	struct buf buf = BUF_INIT(SIZE_MAX);

	assert_int_equal(buf_adds(&buf, "x"), 0);
	assert_int_equal(buf_add(&buf, "x", SIZE_MAX), -1);
	assert_int_equal(buf_add(&buf, "x", SIZE_MAX - 1), -1);
	buf.max = 0; /* shrunk below what is in it */
	assert_int_equal(buf_addc(&buf, 'x'), -1);
	assert_true(buf.too_long);
	assert_string_equal(buf.data, "x");
	buf_release(&buf);
}

static void stolen_text_outlives_the_buffer(void **state UNUSED)
{
	struct buf buf = BUF_INIT(100);
	char *taken;

	buf_addf(&buf, "%0*d", 80, 7);
	taken = buf_steal(&buf);
	assert_int_equal(strlen(taken), 80);
	assert_int_equal(buf.len, 0);
	buf_adds(&buf, "other");
	assert_int_equal(taken[79], '7');
	free(taken);
	buf_release(&buf);
}

enum { MODEL_MAX = 300 };

struct model {
	char data[MODEL_MAX + 1];
	size_t len;
};

static void model_add(struct model *model, const char *data, size_t len, int rc)
{
	if (len > MODEL_MAX - model->len) {
		assert_int_equal(rc, -1);
		return;
	}
	assert_int_equal(rc, 0);
	memcpy(model->data + model->len, data, len);
	model->len += len;
}

static void step(struct buf *buf, struct model *model, uint64_t *random)
{
	char bytes[128];
	size_t n = check_below(random, sizeof(bytes));

	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)check_random(random);
	switch (check_below(random, 8)) {
	case 0:
		buf_clear(buf);
		model->len = 0;
		break;
	case 1:
		n = n < model->len ? n : model->len;
		buf_drop(buf, n);
		memmove(model->data, model->data + n, model->len - n);
		model->len -= n;
		break;
	case 2:
		snprintf(bytes, sizeof(bytes), "<%zu>", n);
		model_add(model, bytes, strlen(bytes), buf_addf(buf, "<%zu>", n));
		break;
	case 3:
		model_add(model, bytes, 1, buf_add(buf, bytes, 1));
		break;
	default:
		model_add(model, bytes, n, buf_add(buf, bytes, n));
	}
}

static void random_use_is_as_the_model(void **state UNUSED)
{
	struct buf buf = BUF_INIT(MODEL_MAX);
	struct model model = {.len = 0};
	uint64_t random = 42;

	memset(model.data, 0, sizeof(model.data));
	for (int i = 0; i < 20000; i++) {
		step(&buf, &model, &random);
		assert_int_equal(buf.len, model.len);
		assert_memory_equal(buf.data, model.data, model.len);
		assert_int_equal(buf.data[buf.len], '\0');
		assert_true(buf.cap <= 1024);
	}
	buf_release(&buf);
}

static void printf_into_fresh_memory(void **state UNUSED)
{
	char *text = string_printf("%s.%d", "shop", 3);

	assert_string_equal(text, "shop.3");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(empty_reads_as_a_string),
	    cmocka_unit_test(limit_is_exact_and_changes_nothing),
	    cmocka_unit_test(lengths_near_the_end_of_numbers_are_refused),
	    cmocka_unit_test(stolen_text_outlives_the_buffer),
	    cmocka_unit_test(random_use_is_as_the_model),
	    cmocka_unit_test(printf_into_fresh_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
