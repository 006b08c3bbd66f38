#include "transport/ssh/tokens.h"

#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

enum { EXPANDED_MAX = 16 * 1024, NAME_SIZE = 256, PASSWD_SIZE = 4096 };

static char *passwd_field(const char *user, bool home)
{
	char space[PASSWD_SIZE];
	struct passwd entry, *found = NULL;

	if (user != NULL)
		getpwnam_r(user, &entry, space, sizeof(space), &found);
	else
		getpwuid_r(getuid(), &entry, space, sizeof(space), &found);
	if (found == NULL)
		return NULL;
	return strdup(home ? found->pw_dir : found->pw_name);
}

char *tokens_home(const char *user)
{
	return passwd_field(user, true);
}

char *tokens_user(void)
{
	return passwd_field(NULL, false);
}

static int add_and_free(struct buf *out, char *text)
{
	int rc = buf_adds(out, text != NULL ? text : "");

	free(text);
	return rc;
}

static int add_local_name(struct buf *out, bool until_dot)
{
	char name[NAME_SIZE] = "";

	if (gethostname(name, sizeof(name) - 1) < 0)
		return 0;
	if (until_dot)
		name[strcspn(name, ".")] = '\0';
	return buf_adds(out, name);
}

static int add_token(struct buf *out, char token, const struct ssh_config *config)
{
	switch (token) {
	case '%':
		return buf_addc(out, '%');
	case 'd':
		return add_and_free(out, tokens_home(NULL));
	case 'h':
		return buf_adds(out, config->host_name);
	case 'i':
		return buf_addf(out, "%ld", (long)getuid());
	case 'j':
		return buf_adds(out, config->proxy_jump != NULL ? config->proxy_jump : "");
	case 'k':
		return buf_adds(
		    out, config->host_key_alias != NULL ? config->host_key_alias : config->name);
	case 'L':
		return add_local_name(out, true);
	case 'l':
		return add_local_name(out, false);
	case 'n':
		return buf_adds(out, config->name);
	case 'p':
		return buf_addf(out, "%d", config->port);
	case 'r':
		return buf_adds(out, config->user);
	case 'u':
		return add_and_free(out, tokens_user());
	default:
		return buf_addf(out, "%%%c", token);
	}
}

static int add_expanded(struct buf *out, const char *text, const struct ssh_config *config)
{
	for (; *text != '\0'; text++) {
		int rc = text[0] == '%' && text[1] != '\0' ? add_token(out, *++text, config)
							   : buf_addc(out, *text);

		if (rc < 0)
			return -1;
	}
	return 0;
}

char *tokens_expand(const char *text, const struct ssh_config *config)
{
	CLEANUP_BUF struct buf out = BUF_INIT(EXPANDED_MAX);

	return add_expanded(&out, text, config) < 0 ? NULL : buf_steal(&out);
}

/* "~" and "~USER" at the start; `text` moves behind it. */
static int add_home(struct buf *out, const char **text)
{
	char user[NAME_SIZE];
	size_t len = strcspn(*text, "/");

	if (**text != '~' || len >= sizeof(user))
		return 0;
	memcpy(user, *text + 1, len - 1);
	user[len - 1] = '\0';
	*text += len;
	return add_and_free(out, tokens_home(user[0] == '\0' ? NULL : user));
}

static int add_variable(struct buf *out, const char **text)
{
	char name[NAME_SIZE];
	size_t len = strcspn(*text + 2, "}");
	const char *value;

	if ((*text)[2 + len] != '}' || len >= sizeof(name))
		return buf_addc(out, *(*text)++);
	memcpy(name, *text + 2, len);
	name[len] = '\0';
	*text += len + 3;
	value = getenv(name);
	return buf_adds(out, value != NULL ? value : "");
}

char *tokens_expand_path(const char *text, const struct ssh_config *config)
{
	CLEANUP_BUF struct buf plain = BUF_INIT(EXPANDED_MAX);
	int rc = add_home(&plain, &text);

	while (rc == 0 && *text != '\0')
		rc = text[0] == '$' && text[1] == '{' ? add_variable(&plain, &text)
						      : buf_addc(&plain, *text++);
	return rc < 0 ? NULL : tokens_expand(plain.data, config);
}
