/* Ways that need a person: keyboard-interactive (RFC 4256) and password (RFC 4252 §8). */
#include <string.h>

#include "base/text.h"
#include "transport/ssh/libssh2/auth_internal.h"

enum { TRIES = 3, TEXT_MAX = 4096 };

/* What the host wants shown; its control characters must not reach a terminal. */
static int add_clean(struct buf *out, const void *text, size_t len)
{
	return text_clean(out, text, len, false);
}

static void answer_one(struct auth *auth, struct buf *head,
    const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompt, LIBSSH2_USERAUTH_KBDINT_RESPONSE *response)
{
	char *answer;

	if (add_clean(head, prompt->text, prompt->length) < 0)
		return;
	answer = auth_ask(auth, head->data, prompt->echo != 0);
	if (answer != NULL) {
		response->text = answer; /* libssh2 frees it */
		response->length = (unsigned)strlen(answer);
	}
	buf_clear(head);
}

static void on_prompts(const char *name, int name_len, const char *instruction, int instruction_len,
    int n, const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts,
    LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses, void **abstract)
{
	const struct link *link = *abstract;
	CLEANUP_BUF struct buf head = BUF_INIT(TEXT_MAX);

	if (name_len > 0 &&
	    (add_clean(&head, name, (size_t)name_len) < 0 || buf_addc(&head, '\n') < 0))
		return;
	if (instruction_len > 0 && (add_clean(&head, instruction, (size_t)instruction_len) < 0 ||
				       buf_addc(&head, '\n') < 0))
		return;
	for (int i = 0; i < n; i++)
		answer_one(link->prompt, &head, &prompts[i], &responses[i]);
}

/* After a refusal the host may have moved on to another method all the same. To ask it costs one of
 * its MaxAuthTries, so it is done once. */
static enum auth_result refused(struct auth *auth, int tries, struct error *err)
{
	return tries > 0 ? AUTH_NO : auth_outcome(auth, LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED, err);
}

enum auth_result auth_keyboard(struct auth *auth, struct error *err)
{
	const char *user = auth->config->user;

	if (auth->target->prompt == NULL) {
		auth_tried(auth, "keyboard-interactive: nobody can be asked");
		return AUTH_NO;
	}
	auth_tried(auth, "keyboard-interactive");
	for (int i = 0; i < TRIES; i++) {
		enum auth_result result;
		int asked = auth->asked;
		int rc;

		while ((rc = libssh2_userauth_keyboard_interactive_ex(auth->link->ssh, user,
			    (unsigned)strlen(user), on_prompts)) == LIBSSH2_ERROR_EAGAIN)
			if (link_wait(auth->link, err) < 0)
				return AUTH_ERROR;
		result = auth_outcome(auth, rc, err);
		if (result == AUTH_NO)
			result = refused(auth, i, err);
		if (result != AUTH_NO)
			return result;
		if (asked == auth->asked || auth->nobody)
			break;
	}
	return AUTH_NO;
}

enum auth_result auth_password(struct auth *auth, struct error *err)
{
	const char *user = auth->config->user;
	CLEANUP_FREE char *text =
	    string_printf("Password for %s@%s: ", user, auth->config->host_name);

	for (int i = 0; text != NULL && i < TRIES; i++) {
		char *password = auth_ask(auth, text, false);
		enum auth_result result = AUTH_ERROR;
		int rc;

		if (password == NULL) {
			if (i == 0)
				auth_tried(auth, "password: nobody could be asked");
			return AUTH_NO;
		}
		if (i == 0)
			auth_tried(auth, "password");
		while ((rc = libssh2_userauth_password_ex(auth->link->ssh, user,
			    (unsigned)strlen(user), password, (unsigned)strlen(password), NULL)) ==
		       LIBSSH2_ERROR_EAGAIN)
			if (link_wait(auth->link, err) < 0)
				break;
		auth_forget(password);
		if (rc == LIBSSH2_ERROR_EAGAIN)
			return AUTH_ERROR;
		result = auth_outcome(auth, rc, err);
		if (result == AUTH_NO)
			result = refused(auth, i, err);
		if (result != AUTH_NO)
			return result;
	}
	return AUTH_NO;
}
