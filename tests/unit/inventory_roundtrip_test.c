/* Whatever text stands in a YAML file arrives in the inventory byte for byte: random UTF-8 goes
 * through an encoder that is written here, and comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"
#include "inventory/interpolate.h"
#include "tests/unit/inventory_fake.h"

enum { ROUNDS = 300, VALUES = 12, BUFFER = 8 << 20 };

static uint64_t seed = 20261122;

static unsigned pick(unsigned limit)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % limit;
}

static uint32_t random_code_point(void)
{
	static const char awkward[] = "$\"'\\{}[]:#&*!|>%@`,-? \n\t\r=~<";
	uint32_t c;

	switch (pick(8)) {
	case 0:
	case 1:
	case 2:
		return (uint32_t)awkward[pick(sizeof(awkward) - 1)];
	case 3:
		return 1 + pick(0xff);
	case 4:
		c = 1 + pick(0x10ffff);
		return c >= 0xd800 && c <= 0xdfff ? 0xfffd : c;
	case 5:
		return 0x80 + pick(0x780);
	default:
		return 'a' + pick(26);
	}
}

static void add_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_addc(out, (char)c);
		return;
	}
	unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
	buf_addc(out, (char)(lead[more] | c >> (6 * more)));
	while (more-- > 0)
		buf_addc(out, (char)(0x80 | ((c >> (6 * more)) & 0x3f)));
}

struct text {
	uint32_t c[64];
	size_t n;
};

static void random_text(struct text *text)
{
	text->n = pick(ARRAY_SIZE(text->c));
	for (size_t i = 0; i < text->n; i++)
		text->c[i] = random_code_point();
}

static char *plain(const struct text *text)
{
	struct buf out = BUF_INIT(BUFFER);

	for (size_t i = 0; i < text->n; i++)
		add_utf8(&out, text->c[i]);
	return buf_steal(&out);
}

/* What YAML lets stand unescaped between double quotes on one line. */
static bool may_stand(uint32_t c)
{
	return c >= ' ' && c != '"' && c != '\\' && c != 0x7f && !(c >= 0x80 && c < 0xa0) &&
	       c != 0x2028 && c != 0x2029 && c != 0xfeff && c != 0xfffe && c != 0xffff;
}

/* As YAML between double quotes, with `$` doubled. `dollars` false: as a key, which is not
 * interpolated. */
static void add_quoted(struct buf *out, const struct text *text, bool dollars)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < text->n; i++) {
		uint32_t c = text->c[i];

		if (c == '$' && dollars)
			buf_addc(out, '$');
		if (may_stand(c) && pick(10) > 0)
			add_utf8(out, c);
		else if (c < 0x100 && pick(2))
			buf_addf(out, "\\x%02X", (unsigned)c);
		else if (c < 0x10000 && pick(2))
			buf_addf(out, "\\u%04x", (unsigned)c);
		else
			buf_addf(out, "\\U%08x", (unsigned)c);
	}
	buf_addc(out, '"');
}

static struct inventory *parse(const struct buf *text)
{
	struct source source = {NULL, fake_variable, fake_read_file};
	struct inventory *inv = NULL;
	struct problems problems = {0};
	struct error err = {0};
	int result = inventory_parse(
	    text->data, text->len, "shipit.yml", "/project", &source, &inv, &problems, &err);

	if (result < 0)
		fail_msg("%s\n%d:%d %s\n%s", error_text(&err),
		    problems.v ? problems.v[0].pos.line : 0,
		    problems.v ? problems.v[0].pos.column : 0, problems.v ? problems.v[0].text : "",
		    text->data);
	problems_release(&problems);
	return inv;
}

static void add_tail(struct buf *out)
{
	buf_adds(out, "hosts: {h1: {}}\nenvironments: {prod: {hosts: [h1]}}\nproject: shop\n");
}

/* `environment` and `labels` as mappings, `command` as a list. */
static void one_round(void)
{
	struct buf out = BUF_INIT(BUFFER);
	struct text values[VALUES];

	for (size_t i = 0; i < VALUES; i++)
		random_text(&values[i]);
	buf_adds(&out, "services:\n  web:\n    image: web\n");
	for (int labels = 0; labels < 2; labels++) {
		buf_addf(&out, "    %s:\n", labels ? "labels" : "environment");
		for (size_t i = 0; i < VALUES; i++) {
			buf_addf(&out, "      spring.a-%zu.b: ", i);
			add_quoted(&out, &values[i], true);
			buf_addc(&out, '\n');
		}
	}
	buf_adds(&out, "    command:\n");
	for (size_t i = 0; i < VALUES; i++) {
		buf_adds(&out, "      - ");
		add_quoted(&out, &values[i], true);
		buf_addc(&out, '\n');
	}
	add_tail(&out);
	struct inventory *inv = parse(&out);
	const struct service *web = inventory_service(inv, "web");
	for (size_t i = 0; i < VALUES; i++) {
		char *expected = plain(&values[i]);

		assert_true(text_is_utf8(expected));
		assert_string_equal(web->environment.v[i].value, expected);
		assert_string_equal(web->labels.v[i].value, expected);
		assert_string_equal(web->command.v[i], expected);
		free(expected);
	}
	inventory_free(inv);
	buf_release(&out);
}

static void test_random(void **state UNUSED)
{
	for (int i = 0; i < ROUNDS; i++)
		one_round();
}

/* Keys too, and the form of a list of KEY=VALUE. */
static void test_random_keys(void **state UNUSED)
{
	for (int round = 0; round < ROUNDS; round++) {
		struct buf out = BUF_INIT(BUFFER);
		struct text key, item;

		random_text(&key);
		for (size_t i = 0; i < key.n; i++)
			if (key.c[i] == '=')
				key.c[i] = 'x';
		key.n += key.n == 0;
		key.c[0] = 'k';
		item = key;
		if (item.n < ARRAY_SIZE(item.c))
			item.c[item.n++] = '=';
		buf_adds(&out, "services:\n  web:\n    image: web\n    environment:\n      ? ");
		add_quoted(&out, &key, false);
		buf_adds(&out, "\n      : v\n    labels:\n    - ");
		add_quoted(&out, &item, true);
		buf_addc(&out, '\n');
		add_tail(&out);
		struct inventory *inv = parse(&out);
		const struct service *web = inventory_service(inv, "web");
		char *expected = plain(&key);
		assert_string_equal(web->environment.v[0].key, expected);
		assert_string_equal(web->labels.v[0].key, expected);
		assert_string_equal(web->labels.v[0].value, "");
		free(expected);
		inventory_free(inv);
		buf_release(&out);
	}
}

static void test_long_value(void **state UNUSED)
{
	enum { LONG = 300 * 1000 };
	struct buf out = BUF_INIT(BUFFER);
	struct buf value = BUF_INIT(LONG);

	for (int i = 0; i < LONG; i++)
		buf_addc(&value, (char)(i % 80 == 79 ? '\n' : 'a' + i % 26));
	buf_adds(&out, "services:\n  web:\n    image: web\n    environment:\n      LONG: \"");
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '\n')
			buf_adds(&out, "\\n");
		else
			buf_addc(&out, value.data[i]);
	}
	buf_adds(&out, "\"\n      BLOCK: |-\n        one\n         two\n\n        three\n");
	add_tail(&out);
	struct inventory *inv = parse(&out);
	const struct service *web = inventory_service(inv, "web");
	assert_true(strcmp(web->environment.v[0].value, value.data) == 0);
	assert_string_equal(web->environment.v[1].value, "one\n two\n\nthree");
	inventory_free(inv);
	buf_release(&value);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_random_keys),
	    cmocka_unit_test(test_long_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
