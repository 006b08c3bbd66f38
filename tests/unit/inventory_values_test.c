/* The small parsers of the inventory: durations, numbers, commands, variables, env files, paths,
 * addresses and ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"
#include "inventory/envfile.h"
#include "inventory/interpolate.h"
#include "inventory/keys.h"
#include "inventory/paths.h"
#include "inventory/problems.h"
#include "inventory/words.h"
#include "tests/unit/inventory_fake.h"

static void test_durations(void **state UNUSED)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = {
	    {"30s", 30000},
	    {"1m30s", 90000},
	    {"500ms", 500},
	    {"1.5h", 5400000},
	    {"1h1m1s1ms", 3661001},
	    {"0", 0},
	    {"0s", 0},
	    {"1us", 1},
	    {"1\xc2\xb5s", 1},
	    {"1ns", 1},
	    {"1000000ns", 1},
	    {"1000001ns", 2},
	    {"0.0005s", 1},
	    {"10000h", 36000000000},
	    {"0.123456789123456789s", 124},
	    {"10001h", -1},
	    {"10000h1s", -1},
	    {"99999999999999999999999999h", -1},
	    {"", -1},
	    {"10", -1},
	    {"s", -1},
	    {"-1s", -1},
	    {"+1s", -1},
	    {"1 s", -1},
	    {"1s ", -1},
	    {"1.s", -1},
	    {".5s", -1},
	    {"1d", -1},
	    {"1S", -1},
	    {"1s2", -1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ms = -1;
		int result = parse_duration(cases[i].text, &ms);

		if (result != (cases[i].ms < 0 ? -1 : 0) || (result == 0 && ms != cases[i].ms))
			fail_msg("\"%s\": %d, %lld ms", cases[i].text, result, (long long)ms);
	}
}

static void test_numbers(void **state UNUSED)
{
	int n = 0;
	bool yes = false;

	assert_int_equal(parse_int("65535", 1, 65535, &n), 0);
	assert_int_equal(n, 65535);
	assert_int_equal(parse_int("007", 1, 65535, &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(parse_int("65536", 1, 65535, &n), -1);
	assert_int_equal(parse_int("0", 1, 65535, &n), -1);
	assert_int_equal(parse_int("", 0, 9, &n), -1);
	assert_int_equal(parse_int("-1", 0, 9, &n), -1);
	assert_int_equal(parse_int("0x1", 0, 9, &n), -1);
	assert_int_equal(parse_int("99999999999999999999999", 0, INT32_MAX, &n), -1);
	assert_true(parse_bool("Yes", &yes) && yes);
	assert_true(parse_bool("off", &yes) && !yes);
	assert_false(parse_bool("1", &yes));
}

/* Words joined by "|" in `expected`. */
static void check_words(const char *text, const char *expected)
{
	CLEANUP_STRV struct strv words = {0};
	CLEANUP_BUF struct buf joined = BUF_INIT(1024);

	assert_int_equal(words_split(text, &words), WORDS_OK);
	for (size_t i = 0; i < words.n; i++)
		buf_addf(&joined, "%s[%s]", i > 0 ? "|" : "", words.v[i]);
	assert_string_equal(joined.data, expected);
}

static void test_words(void **state UNUSED)
{
	struct strv words = {0};

	check_words("", "");
	check_words("  \t\n ", "");
	check_words("a b\tc\nd", "[a]|[b]|[c]|[d]");
	check_words("a '' \"\"", "[a]|[]|[]");
	check_words("--x='a b'\"c d\"e", "[--x=a bc de]");
	check_words("'a\\b' \"a\\\"b\" \"a'b\" 'a\"b'", "[a\\b]|[a\"b]|[a'b]|[a\"b]");
	check_words("a\\ b \\' \\\\ \\\"", "[a b]|[']|[\\]|[\"]");
	check_words("\"a\\nb\" a\\tb", "[a\nb]|[a\tb]");
	check_words("'a;b' \"c&d\" e\\|f", "[a;b]|[c&d]|[e|f]");
	check_words("a#b # c $x `y` *", "[a#b]|[#]|[c]|[$x]|[`y`]|[*]");
	check_words("\xc3\xa4 '\xe2\x82\xac'", "[\xc3\xa4]|[\xe2\x82\xac]");
	assert_int_equal(words_split("a 'b", &words), WORDS_QUOTE);
	assert_int_equal(words_split("a \"b\\\"", &words), WORDS_QUOTE);
	assert_int_equal(words_split("a \"b\\", &words), WORDS_QUOTE);
	assert_int_equal(words_split("a \\", &words), WORDS_BACKSLASH);
	assert_int_equal(words_split("a && b", &words), WORDS_OPERATOR);
	assert_int_equal(words_split("a > b", &words), WORDS_OPERATOR);
	strv_release(&words);
}

static void check_variables(const char *text, const char *expected)
{
	struct variables variables = {NULL, fake_variable};
	CLEANUP_BUF struct buf out = BUF_INIT(INTERPOLATE_MAX);
	CLEANUP_BUF struct buf why = BUF_INIT(1024);
	CLEANUP_STRV struct strv unset = {0};
	enum interpolated result = interpolate(text, &variables, &out, &unset, &why);

	if (expected) {
		assert_int_equal(result, INTERPOLATED);
		assert_string_equal(out.data, expected);
	} else {
		assert_int_equal(result, INTERPOLATE_MISTAKE);
		assert_true(why.len > 0);
	}
}

static void test_variables(void **state UNUSED)
{
	check_variables("", "");
	check_variables("no dollar", "no dollar");
	check_variables("$A$A-${A}b $GIT_SHA.", "aa-ab 4f9e2d1.");
	check_variables("$$A $$$$ $${A}", "$A $$ ${A}");
	check_variables("${GONE}${EMPTY}x", "x");
	check_variables("${GONE-d} ${EMPTY-d} ${A-d}", "d  a");
	check_variables("${GONE:-d} ${EMPTY:-d} ${A:-d}", "d d a");
	check_variables("${GONE+d} ${EMPTY+d} ${A+d}", " d d");
	check_variables("${GONE:+d} ${EMPTY:+d} ${A:+d}", "  d");
	check_variables("${A:?m}${EMPTY?m}", "a");
	check_variables("${GONE:-${EMPTY:-${A}}}", "a");
	check_variables("${GONE:-$A$$}", "a$");
	check_variables("${GONE:-{\"x\": {}}}", "{\"x\": {}}");
	check_variables("${GONE:-a:-b}${GONE:-}", "a:-b");
	check_variables("${_A1:-x}", "x");
	check_variables("${GONE:?}", NULL);
	check_variables("${EMPTY:?m}", NULL);
	check_variables("${GONE?m ${A}}", NULL);
	check_variables("$", "$");
	check_variables("a$", "a$");
	check_variables("$(reboot)", "$(reboot)");
	check_variables("$1", "$1");
	check_variables("$ A", "$ A");
	check_variables("${", NULL);
	check_variables("${}", NULL);
	check_variables("${A", NULL);
	check_variables("${A:-{}", NULL);
	check_variables("${1A}", NULL);
	check_variables("${A b}", NULL);
	check_variables("${A:x}", NULL);
	check_variables("${A:}", NULL);
	check_variables("${BAD_BYTES}", NULL);
}

static void test_variables_limits(void **state UNUSED)
{
	CLEANUP_BUF struct buf text = BUF_INIT(1 << 20);

	for (int i = 0; i < 20; i++)
		buf_adds(&text, "${GONE:-");
	for (int i = 0; i < 20; i++)
		buf_adds(&text, "}");
	check_variables(text.data, NULL);
	buf_clear(&text);
	buf_adds(&text, "$");
	for (int i = 0; i < 200; i++)
		buf_adds(&text, "N");
	check_variables(text.data, NULL);
}

/* "KEY=[VALUE] ..." of the file, or the first mistake. */
static void check_envfile(const char *text, const char *expected)
{
	struct variables variables = {NULL, fake_variable};
	CLEANUP_BUF struct buf shown = BUF_INIT(4096);
	CLEANUP_FREE char *copy = strdup(text);
	struct pairs pairs = {0};
	struct problems problems = {0};

	assert_int_equal(
	    envfile_parse(copy, strlen(copy), "x.env", &variables, &pairs, &problems), 0);
	for (size_t i = 0; i < problems.n; i++)
		buf_addf(&shown, "%d: %s\n", problems.v[i].pos.line, problems.v[i].text);
	for (size_t i = 0; problems.n == 0 && i < pairs.n; i++)
		buf_addf(&shown, "%s%s=[%s]", i > 0 ? " " : "", pairs.v[i].key, pairs.v[i].value);
	assert_string_equal(shown.data, expected);
	pairs_release(&pairs);
	problems_release(&problems);
}

static void test_envfile(void **state UNUSED)
{
	check_envfile("", "");
	check_envfile("\n\n# x\n  # y\n", "");
	check_envfile("\xef\xbb\xbf"
		      "A=1",
	    "A=[1]");
	check_envfile("A=1\r\nB=2\r\n", "A=[1] B=[2]");
	check_envfile("A=1\nA=2", "A=[2]");
	check_envfile(" A = b c  \nB=", "A=[b c] B=[]");
	check_envfile("A=a#b # c\nB=#x\nC= # y\nD=a\t# z", "A=[a#b] B=[#x] C=[] D=[a]");
	check_envfile("A='x y' # c\nB=\"q\"\nC=''", "A=[x y] B=[q] C=[]");
	check_envfile("A='a\nb'\nB=\"c\r\nd\"", "A=[a\nb] B=[c\nd]");
	check_envfile("A='it\\'s \\n \\\\ $HOME'", "A=[it's \\n \\\\ $HOME]");
	check_envfile("A=\"\\t\\\"\\\\n\\q \\$HOME\"", "A=[\t\"\\n\\q $HOME]");
	check_envfile("A='x\\\\'\nB=1", "A=[x\\\\] B=[1]");
	check_envfile("B=$A\nC=${B}${D:-d}\nE=$$x", "B=[a] C=[ad] E=[$x]");
	check_envfile(
	    "export A=1\nexport\tB=2\nexportC=3\nexport=4", "A=[1] B=[2] exportC=[3] export=[4]");
	check_envfile("GIT_SHA\nGONE\nexport A # c", "GIT_SHA=[4f9e2d1] A=[a]");
	check_envfile("a.b-c[0]: x\nURL=http://h:1/?a=b", "a.b-c[0]=[x] URL=[http://h:1/?a=b]");
	check_envfile("=1", "1: expected KEY=VALUE\n");
	check_envfile("A=1\nA B=1\nC=2", "2: expected KEY=VALUE\n");
	check_envfile("A='1\n2", "1: `A`: the quote ' is not closed\n");
	check_envfile("A=\"1\nx\" y\nB=1", "2: `A`: there is something after the closing quote\n");
	check_envfile("A=$GONE", "1: `A`: variable `GONE` is not set\n");
	check_envfile(
	    "A=\"\n\n${}\"", "1: `A`: \"${\" is not followed by the name of a variable\n");
	check_envfile("A=pa$\nB=$(x)", "A=[pa$] B=[$(x)]");
	check_envfile("A=\xff", "1: the file is not text in UTF-8\n");
	check_envfile("BAD_BYTES", "1: the value of `BAD_BYTES` is not text in UTF-8\n");
}

static void test_utf8(void **state UNUSED)
{
	assert_true(text_is_utf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\x80\xf4\x8f\xbf\xbf"));
	assert_false(text_is_utf8("\x80"));
	assert_false(text_is_utf8("\xc3"));
	assert_false(text_is_utf8("\xc0\x80"));
	assert_false(text_is_utf8("\xe0\x80\x80"));
	assert_false(text_is_utf8("\xed\xa0\x80"));
	assert_false(text_is_utf8("\xf4\x90\x80\x80"));
	assert_false(text_is_utf8("\xf8\x88\x80\x80\x80"));
	assert_false(text_is_utf8("\xe2\x82"));
}

static void check_path(const char *path, const char *home, const char *expected)
{
	CLEANUP_FREE char *resolved = path_resolve("/a/b", path, home);

	assert_string_equal(resolved, expected);
}

static void test_paths(void **state UNUSED)
{
	check_path(".", NULL, "/a/b");
	check_path("c", NULL, "/a/b/c");
	check_path("./c//d/", NULL, "/a/b/c/d");
	check_path("../c", NULL, "/a/c");
	check_path("../../../..", NULL, "/");
	check_path("/x/../y/.", NULL, "/y");
	check_path("~", "/home/ann", "/home/ann");
	check_path("~/c", "/home/ann/", "/home/ann/c");
	check_path("~bob/c", "/home/ann", "/a/b/~bob/c");
	check_path("~/c", NULL, "/a/b/~/c");
	check_path("~/c", "relative", "/a/b/~/c");
}

/* "USER HOST PORT"; NULL: refused. */
static void check_address(const char *text, const char *expected)
{
	struct address address;
	const char *wrong = address_parse(text, &address);
	char *got = NULL;

	if (!wrong)
		got = string_printf(
		    "%s %s %d", address.user ? address.user : "-", address.host, address.port);
	if (!expected != !got || (got && strcmp(got, expected) != 0))
		fail_msg("%s: got %s, %s", text, got ? got : "-", wrong ? wrong : "");
	free(got);
	address_release(&address);
}

static void test_addresses(void **state UNUSED)
{
	static const char *const cases[][2] = {
	    {"web1", "- web1 0"},
	    {"web1.example.com:22", "- web1.example.com 22"},
	    {"ann@web1", "ann web1 0"},
	    {"ann@web1:2222", "ann web1 2222"},
	    {"CORP\\ann@web1", "CORP\\ann web1 0"},
	    {"ann@corp.example@web1:22", "ann@corp.example web1 22"},
	    {"10.0.0.9:2222", "- 10.0.0.9 2222"},
	    {"::1", "- ::1 0"},
	    {"[::1]", "- ::1 0"},
	    {"[::1]:22", "- ::1 22"},
	    {"ann@::1", "ann ::1 0"},
	    {"ann@[2001:db8::7]:2222", "ann 2001:db8::7 2222"},
	    {"::ffff:10.0.0.1", "- ::ffff:10.0.0.1 0"},
	    {"fe80::1%eth0", "- fe80::1%eth0 0"},
	    {"ann@[fe80::1%eth0]:22", "ann fe80::1%eth0 22"},
	    {"ssh://web1", "- web1 0"},
	    {"ssh://web1/", "- web1 0"},
	    {"ssh://ann@web1:2222", "ann web1 2222"},
	    {"ssh://ann@web1:2222/", "ann web1 2222"},
	    {"ssh://[::1]", "- ::1 0"},
	    {"ssh://ann@[fe80::1%eth0]:22/", "ann fe80::1%eth0 22"},
	    {"ssh://ann@[fe80::1%25eth0]:22/", "ann fe80::1%eth0 22"},
	    {"", NULL},
	    {"ssh://", NULL},
	    {"ssh:///", NULL},
	    {"ssh://web1/path", NULL},
	    {"ssh://web1:22/path", NULL},
	    {"ssh://ann:secret@web1", NULL},
	    {"http://web1", NULL},
	    {"ann@", NULL},
	    {"@web1", NULL},
	    {"web1:", NULL},
	    {"web1:0", NULL},
	    {"web1:65536", NULL},
	    {"web1:ssh", NULL},
	    {"web1:22:22", NULL},
	    {"[::1", NULL},
	    {"[::1]22", NULL},
	    {"[::1]:", NULL},
	    {"[web1]:22", NULL},
	    {"[a:b]:22", NULL},
	    {"[]", NULL},
	    {"fe80::1%", NULL},
	    {"web1%eth0", NULL},
	    {"-oProxyCommand=x", NULL},
	    {"-l@web1", NULL},
	    {"web 1", NULL},
	    {"web1\n", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_address(cases[i][0], cases[i][1]);
}

static void check_range(const char *key, const char *expected)
{
	CLEANUP_STRV struct strv names = {0};
	CLEANUP_BUF struct buf joined = BUF_INIT(1 << 16);
	bool no_memory;
	const char *wrong = expand_ranges(key, &names, &no_memory);

	assert_false(no_memory);
	for (size_t i = 0; i < names.n; i++)
		buf_addf(&joined, "%s%s", i > 0 ? " " : "", names.v[i]);
	if (expected)
		assert_string_equal(joined.data, expected);
	else
		assert_non_null(wrong);
}

static void test_ranges(void **state UNUSED)
{
	check_range("web", "web");
	check_range("web[1:3]", "web1 web2 web3");
	check_range("web[08:11].x", "web08.x web09.x web10.x web11.x");
	check_range("[1:2]-[0:1]", "1-0 1-1 2-0 2-1");
	check_range("a[7:7]", "a7");
	check_range("a[99:101]", "a99 a100 a101");
	check_range("a[01:10:4]", "a01 a05 a09");
	check_range("a[0:3:9][1:2:1]", "a01 a02");
	check_range("a[1:3:0]", NULL);
	check_range("a[1:3:]", NULL);
	check_range("a[1:3:1:1]", NULL);
	check_range("a[1:3:-1]", NULL);
	check_range("a[1:]", NULL);
	check_range("a[:1]", NULL);
	check_range("a[]", NULL);
	check_range("a[", NULL);
	check_range("a[1:2", NULL);
	check_range("a[2:1]", NULL);
	check_range("a[-1:1]", NULL);
	check_range("a[1:99999]", NULL);
	check_range("a[0:999][0:99]", NULL);
	check_range("a[a:c]", NULL);
}

static void test_show(void **state UNUSED)
{
	char shown[SHOWN_SIZE];
	char longer[200];

	assert_string_equal(show_text(shown, "a\x1b[31m\nb\x7f\xc2\x9b"), "a?[31m?b???");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(strlen(show_text(shown, longer)), SHOWN_SIZE - 1);
	/* Not cut within a character. */
	for (size_t shift = 0; shift < 4; shift++) {
		memset(longer, 'x', shift);
		for (size_t i = shift; i + 3 < sizeof(longer); i += 3)
			memcpy(longer + i, "\xe2\x82\xac", 3);
		assert_true(text_is_utf8(show_text(shown, longer)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_durations),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_variables),
	    cmocka_unit_test(test_variables_limits),
	    cmocka_unit_test(test_envfile),
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_ranges),
	    cmocka_unit_test(test_show),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
