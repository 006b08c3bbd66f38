/* The Compose specification, case by case, each with the section it is taken from: interpolation
 * (12-interpolation.md), files of variables (05-services.md, "Env_file format") and the merge of
 * several files (13-merge.md). What is expected was written from the text, not from what is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "inventory/envfile.h"
#include "inventory/interpolate.h"
#include "inventory/overlay.h"
#include "inventory/problems.h"
#include "tests/unit/inventory_fake.h"

static const char *variable(void *context UNUSED, const char *name)
{
	static const char *const variables[][2] = {{"SET", "set"}, {"OTHER", "other"},
	    {"EMPTY", ""}, {"_u1", "under"}, {"DOLLAR", "$SET"}};

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		if (strcmp(name, variables[i][0]) == 0)
			return variables[i][1];
	return NULL;
}

static const struct variables variables = {NULL, variable};

static int wrong;

static void compare(const char *section, const char *given, const char *expected, const char *got)
{
	if (strcmp(expected, got) == 0)
		return;
	wrong++;
	print_error("%s\n%s\n  expected %s\n  got      %s\n", section, given, expected, got);
}

/* --- 12-interpolation.md */

/* `expected` NULL: a mistake, which says `why`. UNSET are variables that a warning names. */
static const struct {
	const char *section, *text, *expected, *why_or_unset;
} interpolations[] = {
    {"both syntaxes", "$SET", "set", ""},
    {"both syntaxes", "${SET}", "set", ""},
    {"both syntaxes", "a${SET}b$OTHER-c", "asetbother-c", ""},
    {"both syntaxes", "$_u1 ${_u1}", "under under", ""},
    {"both syntaxes", "$SETx", "", "SETx"},
    {"a value is not looked into again", "$DOLLAR", "$SET", ""},
    {"default, unset or empty", "${SET:-d}", "set", ""},
    {"default, unset or empty", "${GONE:-d}", "d", ""},
    {"default, unset or empty", "${EMPTY:-d}", "d", ""},
    {"default, unset or empty", "${GONE:-}", "", ""},
    {"default, unset or empty", "${GONE:-a b:c-d?e+f}", "a b:c-d?e+f", ""},
    {"default, only unset", "${SET-d}", "set", ""},
    {"default, only unset", "${GONE-d}", "d", ""},
    {"default, only unset", "${EMPTY-d}", "", ""},
    {"default, only unset", "${GONE-:-d}", ":-d", ""},
    {"mandatory, unset or empty", "${SET:?m}", "set", ""},
    {"mandatory, unset or empty", "${GONE:?say it}", NULL, "say it"},
    {"mandatory, unset or empty", "${EMPTY:?say it}", NULL, "say it"},
    {"mandatory, unset or empty", "${GONE:?}", NULL, "GONE"},
    {"mandatory, only unset", "${SET?m}", "set", ""},
    {"mandatory, only unset", "${GONE?say it}", NULL, "say it"},
    {"mandatory, only unset", "${EMPTY?say it}", "", ""},
    {"alternative, set and not empty", "${SET:+a}", "a", ""},
    {"alternative, set and not empty", "${GONE:+a}", "", ""},
    {"alternative, set and not empty", "${EMPTY:+a}", "", ""},
    {"alternative, set", "${SET+a}", "a", ""},
    {"alternative, set", "${GONE+a}", "", ""},
    {"alternative, set", "${EMPTY+a}", "a", ""},
    {"nested", "${GONE:-${SET}}", "set", ""},
    {"nested", "${GONE:-$SET}", "set", ""},
    {"nested", "${GONE:-${EMPTY:-default}}", "default", ""},
    {"nested", "${GONE-a${GONE-b${GONE-c}d}e}", "abcde", ""},
    {"nested", "${GONE?for $SET}", NULL, "for set"},
    {"nested", "${GONE:?for ${OTHER}}", NULL, "for other"},
    {"nested", "${SET:+${OTHER}}", "other", ""},
    {"nested", "${SET:-${GONE:?never asked}}", "set", ""},
    {"nested", "${GONE:-${GONE}}", "", "GONE"},
    {"nested", "${GONE:-{\"json\": {}}}", "{\"json\": {}}", ""},
    {"no other shell forms", "${SET/foo/bar}", NULL, "only"},
    {"no other shell forms", "${SET%x}", NULL, "only"},
    {"no other shell forms", "${SET:1}", NULL, "only"},
    {"no other shell forms", "${SET:}", NULL, "only"},
    {"no other shell forms", "${#SET}", NULL, "name"},
    {"no other shell forms", "${SET x}", NULL, "only"},
    {"no other shell forms", "${}", NULL, "name"},
    {"no other shell forms", "${ SET}", NULL, "name"},
    {"no other shell forms", "${1}", NULL, "name"},
    {"no other shell forms", "${SET", NULL, "closed"},
    {"no other shell forms", "${GONE:-${SET}", NULL, "closed"},
    {"preserved where it makes no variable", "$", "$", ""},
    {"preserved where it makes no variable", "100$", "100$", ""},
    {"preserved where it makes no variable", "$1 $9x", "$1 $9x", ""},
    {"preserved where it makes no variable", "$(date) $'x' $%", "$(date) $'x' $%", ""},
    {"preserved where it makes no variable", "$-$SET", "$-set", ""},
    {"double dollar", "$$SET", "$SET", ""},
    {"double dollar", "$${SET}", "${SET}", ""},
    {"double dollar", "$$$SET", "$set", ""},
    {"double dollar", "$$$$", "$$", ""},
    {"double dollar", "${GONE:-$$x}", "$x", ""},
    {"unset: a warning, and empty", "a$GONE-${GONE2}b", "a-b", "GONE GONE2"},
    {"unset: a warning, and empty", "$GONE $GONE", " ", "GONE"},
    {"unset: no warning for what is empty", "[$EMPTY]", "[]", ""},
};

static void test_interpolation(void **state UNUSED)
{
	wrong = 0;
	for (size_t i = 0; i < ARRAY_SIZE(interpolations); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT(INTERPOLATE_MAX);
		CLEANUP_BUF struct buf why = BUF_INIT(1024), names = BUF_INIT(1024);
		CLEANUP_STRV struct strv unset = {0};
		const char *expected = interpolations[i].expected, *said;
		enum interpolated result =
		    interpolate(interpolations[i].text, &variables, &out, &unset, &why);

		if (!expected) {
			said = result == INTERPOLATE_MISTAKE ? why.data : "no mistake";
			if (strstr(said, interpolations[i].why_or_unset) == NULL)
				compare(interpolations[i].section, interpolations[i].text,
				    interpolations[i].why_or_unset, said);
			continue;
		}
		compare(interpolations[i].section, interpolations[i].text, expected,
		    result == INTERPOLATED ? out.data : why.data);
		for (size_t k = 0; k < unset.n; k++)
			buf_addf(&names, "%s%s", k > 0 ? " " : "", unset.v[k]);
		compare("warnings", interpolations[i].text, interpolations[i].why_or_unset,
		    names.len > 0 ? names.data : "");
	}
	assert_int_equal(wrong, 0);
}

/* --- 05-services.md, "Env_file format" */

static const struct {
	const char *section, *text, *expected; /* "KEY=[VALUE] ..." or "LINE: mistake" */
} env_files[] = {
    {"VAR[=[VAL]]", "VAR=VAL", "VAR=[VAL]"},
    {"VAR[=[VAL]]", "A=1\nB=2\nA=3\n", "A=[3] B=[2]"},
    {"comments", "# one\n  # two\nVAR=VAL\n#VAR=no", "VAR=[VAL]"},
    {"blank lines", "\n\n \t\nVAR=VAL\n\n", "VAR=[VAL]"},
    {"interpolation, unquoted", "VAR=$SET-${GONE:-d}", "VAR=[set-d]"},
    {"interpolation, unquoted", "VAR=a$${SET}", "VAR=[a${SET}]"},
    {"interpolation, double-quoted", "VAR=\"$SET ${OTHER}\"", "VAR=[set other]"},
    {"interpolation, double-quoted", "VAR=\"\\$SET\"", "VAR=[$SET]"},
    {"interpolation of what stands before", "A=x\nVAR=${A}y", "A=[x] VAR=[xy]"},
    {"quotes", "VAR=\"VAL\"", "VAR=[VAL]"},
    {"quotes", "VAR='VAL'", "VAR=[VAL]"},
    {"quotes", "A=''\nB=\"\"", "A=[] B=[]"},
    {"quotes inside are kept", "VAR=a\"b\"'c'", "VAR=[a\"b\"'c']"},
    {"inline comments, unquoted", "VAR=VAL # comment", "VAR=[VAL]"},
    {"inline comments, unquoted", "VAR=VAL# not a comment", "VAR=[VAL# not a comment]"},
    {"inline comments, quoted", "VAR=\"VAL # not a comment\"", "VAR=[VAL # not a comment]"},
    {"inline comments, quoted", "VAR=\"VAL\" # comment", "VAR=[VAL]"},
    {"inline comments, quoted", "VAR='VAL' # comment", "VAR=[VAL]"},
    {"single quotes are literal", "VAR='$OTHER'", "VAR=[$OTHER]"},
    {"single quotes are literal", "VAR='${OTHER}'", "VAR=[${OTHER}]"},
    {"single quotes are literal", "VAR='$$x'", "VAR=[$$x]"},
    {"escaped quotes", "VAR='Let\\'s go!'", "VAR=[Let's go!]"},
    {"escaped quotes", "VAR=\"{\\\"hello\\\": \\\"json\\\"}\"", "VAR=[{\"hello\": \"json\"}]"},
    {"escapes", "VAR=\"some\\tvalue\"", "VAR=[some\tvalue]"},
    {"escapes", "VAR=\"a\\nb\\rc\\\\d\"", "VAR=[a\nb\rc\\d]"},
    {"escapes", "VAR='some\\tvalue'", "VAR=[some\\tvalue]"},
    {"escapes", "VAR=some\\tvalue", "VAR=[some\\tvalue]"},
    {"over several lines", "VAR=\"one\ntwo\"\nB=1", "VAR=[one\ntwo] B=[1]"},
    {"over several lines", "VAR='one\n# two'\nB=1", "VAR=[one\n# two] B=[1]"},
    {"VAL omitted", "VAR=", "VAR=[]"},
    {"VAL omitted", "VAR= # comment", "VAR=[]"},
    {"=VAL omitted", "GONE", ""},
    {"=VAL omitted", "SET\nB=1", "SET=[set] B=[1]"},
    {"export", "export VAR=VAL\nexport B='x'", "VAR=[VAL] B=[x]"},
    {"mistakes", "VAR='x", "1: `VAR`: the quote ' is not closed"},
    {"mistakes", "VAR=1\n${SET}=2", "2: expected KEY=VALUE"},
    {"mistakes", "VAR=${SET:x}",
	"1: `VAR`: after the name `SET` in \"${...}\" only :- - :? ? :+ + may follow"},
    /* Ours: the specification has it empty, with a warning. */
    {"a variable that is not set", "VAR=pa$GONE", "1: `VAR`: variable `GONE` is not set"},
};

static void test_env_files(void **state UNUSED)
{
	wrong = 0;
	for (size_t i = 0; i < ARRAY_SIZE(env_files); i++) {
		CLEANUP_BUF struct buf shown = BUF_INIT(4096);
		CLEANUP_FREE char *copy = strdup(env_files[i].text);
		struct pairs pairs = {0};
		struct problems problems = {0};

		assert_int_equal(
		    envfile_parse(copy, strlen(copy), "x.env", &variables, &pairs, &problems), 0);
		if (problems.n > 0)
			buf_addf(&shown, "%d: %s", problems.v[0].pos.line, problems.v[0].text);
		for (size_t k = 0; problems.n == 0 && k < pairs.n; k++)
			buf_addf(&shown, "%s%s=[%s]", k > 0 ? " " : "", pairs.v[k].key,
			    pairs.v[k].value);
		compare(env_files[i].section, env_files[i].text, env_files[i].expected,
		    shown.len > 0 ? shown.data : "");
		pairs_release(&pairs);
		problems_release(&problems);
	}
	assert_int_equal(wrong, 0);
}

/* --- 13-merge.md */

/* One service's keys, or with `whole` all of a file; two files or three. Trees are shown in one
 * line, texts as they are and nothing as "~". */
static const struct {
	const char *section;
	bool whole;
	const char *files[3], *expected;
} merges[] = {
    {"Mapping", false, {"{key1: value1, key2: value2}", "{key2: VALUE, key3: value3}"},
	"{key1: value1, key2: VALUE, key3: value3}"},
    {"Mapping", false, {"{healthcheck: {interval: 1s, retries: 2}}", "{healthcheck: {retries: 3}}"},
	"{healthcheck: {interval: 1s, retries: 3}}"},
    {"Mapping", false,
	{"{ulimits: {nofile: 1, nproc: {soft: 1, hard: 2}}}",
	    "{ulimits: {nofile: {soft: 3, hard: 4}, nproc: {hard: 5}}}"},
	"{ulimits: {nofile: {soft: 3, hard: 4}, nproc: {soft: 1, hard: 5}}}"},
    {"Mapping", false, {"{image: a}", "{image: b}", "{image: c}"}, "{image: c}"},
    {"Mapping", true,
	{"{services: {a: {image: x}}, volumes: {v: {name: n}}}",
	    "{services: {b: {image: y}}, volumes: {v: {external: yes}}, networks: {n: {}}}"},
	"{services: {a: {image: x}, b: {image: y}}, volumes: {v: {name: n, external: yes}}, "
	"networks: {n: {}}}"},
    {"Mapping", true,
	{"{services: {a: {image: x}}, volumes: {v: }}",
	    "{services: {a: }, volumes: {v: {name: n}}}"},
	"{services: {a: {image: x}}, volumes: {v: {name: n}}}"},
    {"Mapping", false, {"{image: a, ports: [80]}", "{image: , ports: }"},
	"{image: a, ports: [80]}"},
    {"Sequence", false, {"{dns: [1.1.1.1]}", "{dns: [8.8.8.8]}"}, "{dns: [1.1.1.1, 8.8.8.8]}"},
    {"Sequence", false, {"{dns: 1.1.1.1}", "{dns: [8.8.8.8]}", "{dns: 9.9.9.9}"},
	"{dns: [1.1.1.1, 8.8.8.8, 9.9.9.9]}"},
    {"Sequence", false, {"{dns: [1, 2]}", "{dns: [1]}"}, "{dns: [1, 2, 1]}"},
    {"Sequence", false,
	{"{env_file: a.env}", "{env_file: [b.env, {path: c.env}]}", "{env_file: a.env}"},
	"{env_file: [a.env, b.env, {path: c.env}, a.env]}"},
    {"Sequence", false, {"{tmpfs: /run}", "{tmpfs: /tmp}"}, "{tmpfs: [/run, /tmp]}"},
    {"Sequence", false, {"{cap_add: [A, B]}", "{cap_add: [B, C]}"}, "{cap_add: [A, B, C]}"},
    {"Sequence", false, {"{security_opt: [a]}", "{security_opt: [b, a]}"},
	"{security_opt: [a, b]}"},
    {"Shell commands", false, {"{command: [echo, foo]}", "{command: [echo, bar]}"},
	"{command: [echo, bar]}"},
    {"Shell commands", false, {"{command: [echo, foo]}", "{command: echo bar}"},
	"{command: echo bar}"},
    {"Shell commands", false, {"{command: [echo, foo]}", "{command: }"}, "{command: ~}"},
    {"Shell commands", false, {"{entrypoint: [a, b]}", "{entrypoint: []}"}, "{entrypoint: []}"},
    {"Shell commands", false,
	{"{healthcheck: {test: [CMD, a], retries: 1}}", "{healthcheck: {test: [CMD, b, c]}}"},
	"{healthcheck: {test: [CMD, b, c], retries: 1}}"},
    {"Unique resources, volumes", false,
	{"{volumes: [\"foo:/work\"]}", "{volumes: [\"bar:/work\"]}"}, "{volumes: [bar:/work]}"},
    {"Unique resources, volumes", false,
	{"{volumes: [\"a:/a\", \"b:/b:ro\", /c]}",
	    "{volumes: [{type: bind, source: /x, target: /b}, \"/c:ro\", \"d:/d\"]}"},
	"{volumes: [a:/a, {type: bind, source: /x, target: /b}, /c:ro, d:/d]}"},
    {"Unique resources, volumes", false,
	{"{volumes: [{type: volume, source: a, target: /a}]}", "{volumes: [\"b:/a\"]}"},
	"{volumes: [b:/a]}"},
    {"Unique resources, secrets", false,
	{"{secrets: [a, {source: b, target: /x}]}",
	    "{secrets: [{source: c, target: /run/secrets/a}, {source: d, target: /x}, e]}"},
	"{secrets: [{source: c, target: /run/secrets/a}, {source: d, target: /x}, e]}"},
    {"Unique resources, secrets", false,
	{"{secrets: [a]}", "{secrets: [a, {source: a, target: b}]}"},
	"{secrets: [a, {source: a, target: b}]}"},
    {"Unique resources, ports", false, {"{ports: [\"8080:80\"]}", "{ports: [\"8443:443\"]}"},
	"{ports: [8080:80, 8443:443]}"},
    {"Unique resources, ports", false,
	{"{ports: [\"8080:80\"]}", "{ports: [{target: 80, published: \"8080\", mode: host}]}"},
	"{ports: [{target: 80, published: 8080, mode: host}]}"},
    {"Unique resources, ports", false,
	{"{ports: [\"8080:80\"]}", "{ports: [\"8080:80/tcp\", \"0.0.0.0:8080:80\"]}"},
	"{ports: [0.0.0.0:8080:80]}"},
    {"Unique resources, ports: published is part", false,
	{"{ports: [\"8080:80\"]}", "{ports: [\"8081:80\"]}"}, "{ports: [8080:80, 8081:80]}"},
    {"Unique resources, ports: protocol is part", false,
	{"{ports: [\"53:53\"]}", "{ports: [\"53:53/udp\"]}"}, "{ports: [53:53, 53:53/udp]}"},
    {"Unique resources, ports: address is part", false,
	{"{ports: [\"80:80\", \"[::1]:80:80\"]}",
	    "{ports: [\"127.0.0.1:80:80\", {target: 80, published: 80, host_ip: \"::1\"}]}"},
	"{ports: [80:80, {target: 80, published: 80, host_ip: ::1}, 127.0.0.1:80:80]}"},
    {"Reset value", false,
	{"{image: myapp, ports: [\"8080:80\"], environment: {FOO: BAR}}",
	    "{image: myapp, ports: !reset [], environment: {FOO: !reset null}}"},
	"{image: myapp, environment: {}}"},
    {"Reset value", false, {"{command: [a], user: u}", "{command: !reset null, user: !reset \"\"}"},
	"{}"},
    {"Reset value, and said again", false,
	{"{ports: [\"80:80\"]}", "{ports: !reset []}", "{ports: [\"81:81\"]}"}, "{ports: [81:81]}"},
    {"Reset value of nothing", false, {"{image: x}", "{ports: !reset []}"}, "{image: x}"},
    {"Reset value, a service", true,
	{"{services: {a: {image: x}, b: {image: y}}}", "{services: {b: !reset null}}"},
	"{services: {a: {image: x}}}"},
    {"Replace value", false, {"{ports: [\"8080:80\"]}", "{ports: !override [\"8443:443\"]}"},
	"{ports: [8443:443]}"},
    {"Replace value", false, {"{environment: {A: 1, B: 2}}", "{environment: !override {C: 3}}"},
	"{environment: {C: 3}}"},
    {"Replace value, a service", true,
	{"{services: {a: {image: x, user: u}}}", "{services: {a: !override {image: y}}}"},
	"{services: {a: {image: y}}}"},
    {"environment, both syntaxes", false,
	{"{environment: [A=1, B=2, C]}", "{environment: {B: 3, D: 4}}",
	    "{environment: [A, E=x=y]}"},
	"{environment: {A: ~, B: 3, C: ~, D: 4, E: x=y}}"},
    {"environment: no value is a value", false, {"{environment: {A: 1}}", "{environment: {A: }}"},
	"{environment: {A: ~}}"},
    {"labels, both syntaxes", false, {"{labels: {a: 1, dns: 2}}", "{labels: [dns=3, b=4]}"},
	"{labels: {a: 1, dns: 3, b: 4}}"},
    {"sysctls, both syntaxes", false, {"{sysctls: [a=1]}", "{sysctls: {a: 2}}"},
	"{sysctls: {a: 2}}"},
    {"extra_hosts, both syntaxes", false,
	{"{extra_hosts: {a: 10.0.0.1, b: [10.0.0.2, \"::1\"]}}", "{extra_hosts: [\"c=10.0.0.3\"]}"},
	"{extra_hosts: [a:10.0.0.1, b:10.0.0.2, b:::1, c=10.0.0.3]}"},
    {"extra_hosts, mappings", false,
	{"{extra_hosts: {a: 10.0.0.1}}", "{extra_hosts: {a: 10.0.0.2}}"},
	"{extra_hosts: {a: 10.0.0.2}}"},
    {"depends_on, both syntaxes", false,
	{"{depends_on: [a, b]}", "{depends_on: {b: {condition: service_healthy}}}"},
	"{depends_on: {a: ~, b: {condition: service_healthy}}}"},
    {"networks, both syntaxes", false,
	{"{networks: {a: {aliases: [x]}}}", "{networks: [a, b]}",
	    "{networks: {a: {aliases: [y]}}}"},
	"{networks: {a: {aliases: [x, y]}, b: ~}}"},
    {"build, both syntaxes", false,
	{"{build: .}", "{build: {args: {A: 1}}}", "{build: {args: [B=2], context: ./x}}"},
	"{build: {context: ./x, args: {A: 1, B: 2}}}"},
    {"build, both syntaxes", false, {"{build: {context: ., target: t}}", "{build: ./y}"},
	"{build: {context: ./y, target: t}}"},
    {"logging, one driver", false,
	{"{logging: {driver: d, options: {a: 1}}}", "{logging: {options: {b: 2}}}"},
	"{logging: {driver: d, options: {a: 1, b: 2}}}"},
    {"logging, another driver", false,
	{"{logging: {driver: d, options: {a: 1}}}", "{logging: {driver: e, options: {b: 2}}}"},
	"{logging: {driver: e, options: {b: 2}}}"},
    {"devices", false,
	{"{devices: [\"/dev/a:/dev/x\", /dev/b]}",
	    "{devices: [\"/dev/c:/dev/x:r\", \"/dev/b:r\"]}"},
	"{devices: [/dev/c:/dev/x:r, /dev/b:r]}"},
    {"extensions", false, {"{x-a: {k: [1]}}", "{x-a: {k: [1, 2]}}"}, "{x-a: {k: [1, 2]}}"},
    {"overrides of environments are services", true,
	{"{environments: {p: {overrides: {s: {dns: 1, environment: [A=1]}}}}}",
	    "{environments: {p: {overrides: {s: {dns: 2, environment: {B: 2}}}}}}"},
	"{environments: {p: {overrides: {s: {dns: [1, 2], environment: {A: 1, B: 2}}}}}}"},
    {"names that are keys elsewhere", true,
	{"{services: {command: {image: x, environment: {dns: 1, command: a}}}}",
	    "{services: {command: {user: u, environment: {dns: 2, env_file: y}}}}"},
	"{services: {command: {image: x, environment: {dns: 2, command: a, env_file: y}, user: "
	"u}}}"},
};

static void show(const struct node *node, struct buf *out)
{
	switch (node->kind) {
	case NODE_NULL:
		buf_adds(out, "~");
		break;
	case NODE_SCALAR:
		buf_adds(out, node->text);
		break;
	case NODE_LIST:
		buf_adds(out, "[");
		for (size_t i = 0; i < node->n; i++) {
			buf_adds(out, i > 0 ? ", " : "");
			show(node->items[i], out);
		}
		buf_adds(out, "]");
		break;
	case NODE_MAP:
		buf_adds(out, "{");
		for (size_t i = 0; i < node->n; i++) {
			buf_addf(out, "%s%s: ", i > 0 ? ", " : "", node->entries[i].key->text);
			show(node->entries[i].value, out);
		}
		buf_adds(out, "}");
		break;
	}
}

static void parse(const char *text, bool whole, struct yaml *yaml)
{
	CLEANUP_FREE char *file = string_printf(whole ? "%s\n" : "{services: {s: %s}}\n", text);
	struct problems problems = {0};

	assert_int_equal(yaml_parse(file, strlen(file), "x.yml", &problems, yaml), 0);
	if (problems.n > 0)
		fail_msg("%s: %s", text, problems.v[0].text);
	assert_non_null(yaml->root);
	problems_release(&problems);
}

static void check_merge(size_t i)
{
	CLEANUP_BUF struct buf shown = BUF_INIT(4096), given = BUF_INIT(4096);
	CLEANUP_YAML struct yaml made = {0};
	struct yaml files[3] = {0};
	struct node *all = NULL;
	CLEANUP_FREE char *expected =
	    string_printf(merges[i].whole ? "%s" : "{services: {s: %s}}", merges[i].expected);

	for (size_t k = 0; k < ARRAY_SIZE(files) && merges[i].files[k]; k++) {
		buf_addf(&given, "%s  %s", k > 0 ? "\n" : "", merges[i].files[k]);
		parse(merges[i].files[k], merges[i].whole, &files[k]);
		all = all ? overlay(&made, all, files[k].root, "", OVERLAY_FILE) : files[k].root;
		assert_non_null(all);
	}
	all = overlay_finish(&made, all, "");
	assert_non_null(all);
	show(all, &shown);
	compare(merges[i].section, given.data, expected, shown.data);
	for (size_t k = 0; k < ARRAY_SIZE(files); k++)
		yaml_release(&files[k]);
}

static void test_merge(void **state UNUSED)
{
	wrong = 0;
	for (size_t i = 0; i < ARRAY_SIZE(merges); i++)
		check_merge(i);
	assert_int_equal(wrong, 0);
}

/* Mappings and lists of thousands are merged in the time that it takes to read them. */
static void test_large(void **state UNUSED)
{
	enum { MANY = 30000 };
	CLEANUP_BUF struct buf text = BUF_INIT((size_t)4 << 20);
	CLEANUP_YAML struct yaml a = {0}, b = {0}, made = {0};

	buf_adds(&text, "{environment: {");
	for (int i = 0; i < MANY; i++)
		buf_addf(&text, "V%d: %d, ", i, i);
	buf_adds(&text, "}, volumes: [");
	for (int i = 0; i < MANY; i++)
		buf_addf(&text, "\"v%d:/data/%d\", ", i, i);
	buf_adds(&text, "]}");
	parse(text.data, false, &a);
	parse(text.data, false, &b);
	struct node *all = overlay(&made, a.root, b.root, "", OVERLAY_FILE);
	assert_non_null(all);
	const struct node *service = all->entries[0].value->entries[0].value;
	assert_int_equal(service->entries[0].value->n, MANY);
	assert_int_equal(service->entries[1].value->n, MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_interpolation),
	    cmocka_unit_test(test_env_files),
	    cmocka_unit_test(test_merge),
	    cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
