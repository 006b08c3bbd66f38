#include "transport/ssh/openssh/said.h"

#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 4096 };

static const char *const phase_names[] = {
    "connect", "banner", "key exchange", "login", "the connection"};

void said_init(struct said *said)
{
	*said = (struct said){0};
	buf_init(&said->words, WORDS_MAX);
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

/* "Connection to port -2 forwarding to /run/docker.sock port -2 requested." */
static void note_wanted(struct said *said, const char *line)
{
	static const char mark[] = " forwarding to ";
	const char *to = strstr(line, mark);
	const char *end = to != NULL ? strstr(to + sizeof(mark) - 1, " port ") : NULL;

	if (!starts(line, "Connection to port ") || end == NULL)
		return;
	free(said->wanted);
	to += sizeof(mark) - 1;
	said->wanted = strndup(to, (size_t)(end - to));
}

/* "channel 3: new direct-streamlocal@openssh.com [...]" follows it. */
static void note_channel(struct said *said, const char *line)
{
	unsigned slot = said->n_channels % SAID_CHANNELS;
	int number;

	if (said->wanted == NULL || strstr(line, "direct-") == NULL ||
	    sscanf(line, "channel %d: new ", &number) != 1)
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
	int number;

	if (why == NULL || sscanf(line, "channel %d: open failed", &number) != 1)
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
		note_wanted(said, copy + sizeof(debug) - 1);
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
	if (said->phase > SAID_BANNER)
		return false;
	return has(said, "kex_exchange_identification: ") ||
	       has(said, "Not allowed at this time") || has(said, "Connection reset by ") ||
	       has(said, "Connection closed by ");
}

/* The line that holds these words; malloc'ed, NULL: none. */
static char *line_with(const struct said *said, const char *words)
{
	const char *at = strstr(said->words.data, words);

	if (at == NULL)
		return NULL;
	while (at > said->words.data && at[-1] != '\n')
		at--;
	return strndup(at, strcspn(at, "\n"));
}

const char *said_last(const struct said *said)
{
	static _Thread_local char last[512];
	const char *end = said->words.data + said->words.len;
	const char *at;

	while (end > said->words.data && end[-1] == '\n')
		end--;
	for (at = end; at > said->words.data && at[-1] != '\n';)
		at--;
	snprintf(last, sizeof(last), "%.*s", (int)(end - at), at);
	return last;
}

static int host_key(const struct said *said, const char *name, struct error *err)
{
	CLEANUP_FREE char *print = line_with(said, "SHA256:");
	CLEANUP_FREE char *place = line_with(said, "Offending ");
	CLEANUP_FREE char *unknown = line_with(said, " host key is known for ");

	if (has(said, "REVOKED HOST KEY DETECTED") || has(said, " revoked ")) {
		error_set(err, ERROR_HOST_KEY, "the host key of %s is marked as revoked", name);
		return error_hint(err, "whoever holds it may not be the host: give the host a new "
				       "key and remove the line only if you know why it is there");
	}
	if (has(said, "HOST IDENTIFICATION HAS CHANGED")) {
		error_set(err, ERROR_HOST_KEY, "the host key of %s has CHANGED: offered is %s (%s)",
		    name, print != NULL ? print : "another", place != NULL ? place : "known_hosts");
		return error_hint(err,
		    "somebody may be between you and the host; if the change is "
		    "wanted, forget the old key: ssh-keygen -R '%s'",
		    name);
	}
	error_set(err, ERROR_HOST_KEY, "the host key of %s is not known: %s", name,
	    unknown != NULL ? unknown : said_last(said));
	return error_hint(err,
	    "connect once with `ssh %s`, compare the fingerprint and accept it, or pin the key in "
	    "the inventory (host_key)",
	    name);
}

int said_why(const struct said *said, const char *name, struct error *err)
{
	CLEANUP_FREE char *denied = line_with(said, "Permission denied");

	if (has(said, "Host key verification failed") || has(said, "REVOKED HOST KEY"))
		return host_key(said, name, err);
	if (denied == NULL)
		denied = line_with(said, "Too many authentication failures");
	if (denied != NULL) {
		error_set(err, ERROR_AUTH, "login was refused: %s", denied);
		return error_hint(err,
		    "does `ssh %s` work? put your public key there with ssh-copy-id, or load the "
		    "key into the agent with ssh-add",
		    name);
	}
	error_set(err, has(said, " timed out") ? ERROR_TIMEOUT : ERROR_UNREACHABLE, "%s: %s",
	    said_phase_name(said), said->words.len > 0 ? said_last(said) : "ssh ended");
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
	free(said->wanted);
	for (unsigned i = 0; i < SAID_CHANNELS; i++)
		free(said->channels[i].to);
	free(said->refused_to);
	free(said->refused);
}
