/* What ssh's lines mean: how far it is, which connection was refused, why it ended. */
#include <string.h>

#include "tests/unit/base_check.h"
#include "transport/ssh/openssh/said.h"

static void hear(struct said *said, const char *lines)
{
	CLEANUP_FREE char *copy = strdup(lines);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) != NULL)
		said_line(said, line);
}

static void phases_follow_each_other(void **state UNUSED)
{
	static const struct {
		const char *line, *phase;
	} steps[] = {
	    {"OpenSSH_9.2p1 Debian-2+deb12u5, OpenSSL 3.0.15", "connect"},
	    {"debug1: Connecting to 10.0.0.1 [10.0.0.1] port 22.", "connect"},
	    {"debug1: Connection established.", "banner"},
	    {"debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2",
		"key exchange"},
	    {"debug1: SSH2_MSG_NEWKEYS received", "login"},
	    {"debug1: Connection established.", "login"}, /* of a jump host: no way back */
	    {"debug1: Entering interactive session.", "the connection"},
	};
	struct said said;

	said_init(&said);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		said_line(&said, steps[i].line);
		assert_string_equal(said_phase_name(&said), steps[i].phase);
	}
	assert_int_equal(said.phase, SAID_READY);
	assert_null(said_last(&said));
	said_release(&said);
}

static void why(const char *lines, bool pinned, enum error_kind kind, const char *part)
{
	struct error err = {0};
	struct said said;

	said_init(&said);
	hear(&said, lines);
	assert_int_equal(said_why(&said, "web1", pinned, &err), -1);
	assert_int_equal(err.kind, kind);
	if (strstr(error_text(&err), part) == NULL)
		fail_msg("\"%s\" is not in: %s", part, error_text(&err));
	assert_non_null(err.hint);
	error_release(&err);
	said_release(&said);
}

static void ends_are_told_apart(void **state UNUSED)
{
	static const char changed[] =
	    "debug1: Remote protocol version 2.0\r\ndebug1: Server host key: ssh-ed25519 "
	    "SHA256:abc\r\n"
	    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r\n"
	    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n"
	    "Offending ED25519 key in /home/me/.ssh/known_hosts:3\r\n"
	    "Host key verification failed.\r\n";

	why(changed, false, ERROR_HOST_KEY,
	    "has CHANGED: offered is ssh-ed25519 SHA256:abc (Offending");
	why(changed, true, ERROR_HOST_KEY, "known from the inventory");
	why("debug1: Remote protocol version 2.0\n@ WARNING: REVOKED HOST KEY DETECTED! @\nHost "
	    "key verification failed.",
	    false, ERROR_HOST_KEY, "revoked");
	why("No ED25519 host key is known for jump and you have requested strict checking.\n"
	    "Host key verification failed.",
	    false, ERROR_HOST_KEY, "on the way to web1");
	why("debug1: Remote protocol version 2.0\nNo ED25519 host key is known for web1 and you "
	    "have requested strict checking.\n"
	    "Host key verification failed.",
	    false, ERROR_HOST_KEY, "not known");
	why("debug1: Offering public key: /k/a b ED25519 SHA256:x agent\n"
	    "Permission denied, please try again.\nme@web1: Permission denied "
	    "(publickey,password).",
	    false, ERROR_AUTH,
	    "me@web1: Permission denied (publickey,password).; tried: /k/a b ED25519");
	why("ssh: connect to host web1 port 22: Connection timed out", false, ERROR_TIMEOUT,
	    "connect: ssh: connect to host web1 port 22");
	why("ssh: Could not resolve hostname web1: Name or service not known", false,
	    ERROR_UNREACHABLE, "Could not resolve");
	why("debug1: Connection established.\n"
	    "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found.",
	    false, ERROR_UNREACHABLE, "banner: Unable to negotiate");
	why("", false, ERROR_UNREACHABLE, "ssh ended");
}

static void throttled_before_the_banner_alone(void **state UNUSED)
{
	static const char closed[] = "kex_exchange_identification: read: Connection reset by peer";
	struct said said;

	said_init(&said);
	assert_false(said_throttled(&said));
	hear(&said, closed);
	assert_true(said_throttled(&said));
	hear(&said, "debug1: Remote protocol version 2.0");
	assert_false(said_throttled(&said));
	said_release(&said);
}

static void refusals_have_their_forward(void **state UNUSED)
{
	struct said said;

	said_init(&said);
	hear(&said,
	    "debug1: Connection to port -2 forwarding to /run/docker.sock port -2 requested.\n"
	    "debug1: channel 2: new direct-streamlocal@openssh.com [direct] (inactive timeout: 0)\n"
	    "debug1: Connection to port -2 forwarding to ::1 port 80 requested.\n"
	    "debug1: channel 3: new [direct-tcpip]\n"
	    "channel 3: open failed: connect failed: Connection refused");
	assert_string_equal(said.refused_to, "[::1]:80");
	assert_string_equal(said.refused, "connect failed: Connection refused");
	hear(&said, "channel 7: open failed: of somebody else");
	assert_string_equal(said.refused_to, "[::1]:80");
	hear(&said, "channel 2: open failed: connect failed: No such file");
	assert_string_equal(said.refused_to, "/run/docker.sock");
	assert_null(said_last(&said));
	said_release(&said);
}

/* The words stay bounded, whatever a host's banner says. */
static void words_are_bounded(void **state UNUSED)
{
	CLEANUP_FREE char *last = NULL;
	struct said said;
	char line[100];

	said_init(&said);
	for (int i = 0; i < 10000; i++) {
		snprintf(line, sizeof(line), "line %d of a long banner", i);
		said_line(&said, line);
	}
	assert_true(said.words.len <= 4096);
	last = said_last(&said);
	assert_string_equal(last, "line 9997 of a long banner;line 9998 of a long banner;"
				  "line 9999 of a long banner");
	said_release(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(phases_follow_each_other),
	    cmocka_unit_test(ends_are_told_apart),
	    cmocka_unit_test(throttled_before_the_banner_alone),
	    cmocka_unit_test(refusals_have_their_forward),
	    cmocka_unit_test(words_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
