#include "transport/ssh/openssh/said.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/ssh/admission.h"

enum { LAST_LINES = 3, WORDS_MAX = 4096, TRIED_MAX = 1024, PORT_OF_PATH = -2 };

static const char *const phase_names[] = {
    "connect", "banner", "key exchange", "login", "the connection"};

void said_init(struct said *said)
{
	*said = (struct said){0};
	buf_init(&said->words, WORDS_MAX);
	buf_init(&said->tried, TRIED_MAX);
}

static bool starts(const char *line, const char *with)
{
	return strncmp(line, with, strlen(with)) == 0;
}

static void advance(struct said *said, enum said_phase phase)
{
	if (phase > said->phase)
		said->phase = phase;
}

/* --- debug lines (ssh.c, kex.c, sshconnect2.c, clientloop.c) */

static void note_phase(struct said *said, const char *line)
{
	static const struct {
		const char *begin;
		enum said_phase phase;
	} marks[] = {
	    {"Connection established", SAID_BANNER},
	    {"Local version string", SAID_BANNER},
	    {"Remote protocol version", SAID_KEX},
	    {"SSH2_MSG_NEWKEYS received", SAID_LOGIN},
	    {"Entering interactive session", SAID_READY},
	};

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (starts(line, marks[i].begin))
			advance(said, marks[i].phase);
}

/* "Server host key: ssh-ed25519 SHA256:..." */
static void note_host_key(struct said *said, const char *line)
{
	static const char mark[] = "Server host key: ";

	if (!starts(line, mark))
		return;
	free(said->host_key);
	said->host_key = strdup(line + sizeof(mark) - 1);
}

/* "Offering public key: /home/me/.ssh/id_ed25519 ED25519 SHA256:... agent" */
static void note_tried(struct said *said, const char *line)
{
	static const char mark[] = "Offering public key: ";
	const char *end = strstr(line, " SHA256:");

	if (!starts(line, mark) || end == NULL)
		return;
	buf_addf(&said->tried, "%s%.*s", said->tried.len > 0 ? "; " : "",
	    (int)(end - line - (ptrdiff_t)sizeof(mark) + 1), line + sizeof(mark) - 1);
}

/* "Connection to port -2 forwarding to /run/docker.sock port -2 requested." */
static void note_wanted(struct said *said, const char *line)
{
	static const char mark[] = " forwarding to ";
	const char *to = strstr(line, mark);
	const char *end = to != NULL ? strstr(to + sizeof(mark) - 1, " port ") : NULL;
	int port;

	if (!starts(line, "Connection to port ") || end == NULL)
		return;
	free(said->wanted);
	to += sizeof(mark) - 1;
	port = (int)strtol(end + sizeof(" port ") - 1, NULL, 10);
	if (port == PORT_OF_PATH)
		said->wanted = strndup(to, (size_t)(end - to));
	else
		said->wanted = string_printf(
		    memchr(to, ':', (size_t)(end - to)) != NULL ? "[%.*s]:%d" : "%.*s:%d",
		    (int)(end - to), to, port);
}

/* "channel_connect_stdio_fwd: 127.0.0.1:80", with a space instead of the colon before 8.5 */
static void note_stream(struct said *said, const char *line)
{
	const char *to = strchr(line, ' '), *colon = strrchr(line, ':');

	if (!starts(line, "channel_connect_stdio_fwd") || to == NULL || colon <= to)
		return;
	free(said->wanted);
	to++;
	said->wanted = memchr(to, ':', (size_t)(colon - to)) != NULL
			   ? string_printf("[%.*s]%s", (int)(colon - to), to, colon)
			   : strdup(to);
}

/* 3, of "channel 3: WORDS..."; -1: it is no such line. */
static long channel_of(const char *line, const char *words)
{
	static const char mark[] = "channel ";
	char *end;
	long number;

	if (!starts(line, mark))
		return -1;
	number = strtol(line + sizeof(mark) - 1, &end, 10);
	return end != line + sizeof(mark) - 1 && starts(end, words) ? number : -1;
}

/* "channel 3: new direct-streamlocal@openssh.com [...]" or "channel 3: new stdio-forward [...]"
 * follows it. */
static void note_channel(struct said *said, const char *line)
{
	unsigned slot = said->n_channels % SAID_CHANNELS;
	long number = channel_of(line, ": new ");

	if (said->wanted == NULL || number < 0 ||
	    (strstr(line, "direct-") == NULL && strstr(line, "stdio-forward") == NULL))
		return;
	free(said->channels[slot].to);
	said->channels[slot].number = number;
	said->channels[slot].to = said->wanted;
	said->wanted = NULL;
	said->n_channels++;
}

/* "channel 3: open failed: connect failed: No such file or directory" (not a debug line) */
static bool note_refused(struct said *said, const char *line)
{
	static const char mark[] = ": open failed: ";
	const char *why = strstr(line, mark);
	long number = channel_of(line, mark);

	if (why == NULL || number < 0)
		return false;
	for (unsigned i = 0; i < SAID_CHANNELS; i++) {
		if (said->channels[i].to == NULL || said->channels[i].number != number)
			continue;
		free(said->refused_to);
		free(said->refused);
		said->refused_to = said->channels[i].to;
		said->refused = strdup(why + sizeof(mark) - 1);
		said->channels[i].to = NULL;
	}
	return true;
}

/* --- lines for people */

static void keep(struct said *said, const char *line)
{
	size_t len = strlen(line);
	const char *second;

	if (len == 0 || len > WORDS_MAX / 2)
		return;
	while (said->words.len + len + 1 > WORDS_MAX) {
		second = strchr(said->words.data, '\n');
		buf_drop(&said->words,
		    second != NULL ? (size_t)(second + 1 - said->words.data) : said->words.len);
	}
	buf_addf(&said->words, "%s\n", line);
}

void said_line(struct said *said, const char *line)
{
	static const char debug[] = "debug1: ";
	CLEANUP_FREE char *copy = strndup(line, strcspn(line, "\r\n"));

	if (copy == NULL)
		return;
	if (starts(copy, debug)) {
		note_phase(said, copy + sizeof(debug) - 1);
		note_host_key(said, copy + sizeof(debug) - 1);
		note_tried(said, copy + sizeof(debug) - 1);
		note_wanted(said, copy + sizeof(debug) - 1);
		note_stream(said, copy + sizeof(debug) - 1);
		note_channel(said, copy + sizeof(debug) - 1);
	} else if (!note_refused(said, copy) && !starts(copy, "OpenSSH_") &&
		   !starts(copy, "Authenticated to ") &&
		   !starts(copy, "Warning: Permanently added")) {
		keep(said, copy);
	}
}

const char *said_phase_name(const struct said *said)
{
	return phase_names[said->phase];
}

/* --- what they mean */

static bool has(const struct said *said, const char *words)
{
	return strstr(said->words.data, words) != NULL;
}

bool said_throttled(const struct said *said)
{
	if (said->phase > SAID_BANNER || admission_hopeless(said->words.data))
		return false;
	return has(said, "kex_exchange_identification: ") ||
	       has(said, "Not allowed at this time") || has(said, "Connection reset by ") ||
	       has(said, "Connection closed by ");
}

/* The last line that holds these words; malloc'ed, NULL: none. */
static char *line_with(const struct said *said, const char *words)
{
	const char *at = NULL, *next = said->words.data;

	while ((next = strstr(next, words)) != NULL)
		at = next++;
	if (at == NULL)
		return NULL;
	while (at > said->words.data && at[-1] != '\n')
		at--;
	return strndup(at, strcspn(at, "\n"));
}

char *said_last(const struct said *said)
{
	const char *at = said->words.data + said->words.len;
	char *last, *newline;
	int lines = -1; /* the last one ends with its newline */

	while (at > said->words.data && lines < LAST_LINES)
		lines += *--at == '\n';
	at += *at == '\n';
	if (*at == '\0')
		return NULL;
	last = strndup(at, strlen(at) - 1);
	for (newline = last; newline != NULL && (newline = strchr(newline, '\n')) != NULL;)
		*newline = ';';
	return last;
}

static int host_key(const struct said *said, const char *name, bool pinned, struct error *err)
{
	const char *offered = said->host_key != NULL ? said->host_key : "another";
	CLEANUP_FREE char *place = line_with(said, "Offending ");
	CLEANUP_FREE char *unknown = line_with(said, " host key is known for ");
	CLEANUP_FREE char *last = said_last(said);

	if (has(said, "REVOKED HOST KEY DETECTED") || has(said, " revoked ")) {
		error_set(err, ERROR_HOST_KEY, "the host key of %s, %s, is marked as revoked", name,
		    offered);
		return error_hint(err, "whoever holds it may not be the host: give the host a new "
				       "key and remove the line only if you know why it is there");
	}
	if (has(said, "HOST IDENTIFICATION HAS CHANGED")) {
		error_set(err, ERROR_HOST_KEY, "the host key of %s has CHANGED: offered is %s (%s)",
		    name, offered,
		    pinned	    ? "known from the inventory"
		    : place != NULL ? place
				    : "known_hosts");
		if (pinned)
			return error_hint(err, "somebody may be between you and the host; if the "
					       "change is wanted, set host_key in the inventory to "
					       "the new key");
		return error_hint(err,
		    "somebody may be between you and the host; if the change is "
		    "wanted, forget the old key: ssh-keygen -R '%s'",
		    name);
	}
	error_set(err, ERROR_HOST_KEY, "the host key of %s is not known; it offers %s (%s)", name,
	    offered,
	    unknown != NULL ? unknown
	    : last != NULL  ? last
			    : "ssh ended");
	return error_hint(err,
	    "connect once with `ssh %s`, compare the fingerprint and accept it, or pin the key in "
	    "the inventory (host_key: \"TYPE BASE64\", as ssh-keyscan prints it)",
	    name);
}

int said_why(const struct said *said, const char *name, bool pinned, struct error *err)
{
	CLEANUP_FREE char *denied = line_with(said, "Permission denied");
	CLEANUP_FREE char *last = said_last(said);

	if (has(said, "Host key verification failed") && said->phase < SAID_KEX) {
		error_set(err, ERROR_HOST_KEY, "a host on the way to %s: %s", name,
		    last != NULL ? last : "its host key was refused");
		return error_hint(err, "connect once with `ssh` to the jump host of %s", name);
	}
	if (has(said, "Host key verification failed") || has(said, "REVOKED HOST KEY"))
		return host_key(said, name, pinned, err);
	if (denied == NULL)
		denied = line_with(said, "Too many authentication failures");
	if (denied != NULL) {
		error_set(err, ERROR_AUTH, "login was refused: %s; tried: %s", denied,
		    said->tried.len > 0 ? said->tried.data : "no key");
		return error_hint(err,
		    "does `ssh %s` work? put your public key there with ssh-copy-id, or load the "
		    "key into the agent with ssh-add",
		    name);
	}
	error_set(err, has(said, " timed out") ? ERROR_TIMEOUT : ERROR_UNREACHABLE, "%s: %s",
	    said_phase_name(said), last != NULL ? last : "ssh ended");
	if (said_throttled(said))
		return error_hint(err,
		    "the host hung up before its banner: its sshd may be "
		    "overloaded (MaxStartups), may have blocked this address, or "
		    "is no sshd");
	return error_hint(err, "does `ssh %s` work?", name);
}

void said_release(struct said *said)
{
	buf_release(&said->words);
	buf_release(&said->tried);
	free(said->host_key);
	free(said->wanted);
	for (unsigned i = 0; i < SAID_CHANNELS; i++)
		free(said->channels[i].to);
	free(said->refused_to);
	free(said->refused);
}
