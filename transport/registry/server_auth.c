/* Who is let in, and to what. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "transport/registry/server_internal.h"

enum { SECRET_MAX = 1024 };

static void account_free(struct account *account)
{
	if (account == NULL)
		return;
	if (account->secret != NULL)
		explicit_bzero(account->secret, strlen(account->secret));
	free(account->secret);
	free(account->user);
	strv_release(&account->repositories);
	free(account);
}

static bool is_secret(const struct account *account, const char *said, size_t len)
{
	return strlen(account->secret) == len && CRYPTO_memcmp(account->secret, said, len) == 0;
}

/* All accounts are compared, whichever it is. */
struct account *accounts_find(struct accounts *accounts, const char *authorization)
{
	struct account *found = NULL;
	size_t len;

	if (authorization == NULL || strncasecmp(authorization, "Basic ", 6) != 0)
		return NULL;
	authorization += 6;
	authorization += strspn(authorization, " ");
	len = strlen(authorization);
	pthread_mutex_lock(&accounts->lock);
	for (size_t i = 0; i < accounts->n; i++)
		if (is_secret(accounts->v[i], authorization, len))
			found = accounts->v[i];
	pthread_mutex_unlock(&accounts->lock);
	return found;
}

static struct account *by_name(const struct accounts *accounts, const char *user)
{
	for (size_t i = 0; i < accounts->n; i++)
		if (strcmp(accounts->v[i]->user, user) == 0)
			return accounts->v[i];
	return NULL;
}

static int encode(const char *user, const char *password, char **ret, struct error *err)
{
	char plain[SECRET_MAX];
	size_t len = strlen(user) + 1 + strlen(password);

	if (*user == '\0' || strchr(user, ':') != NULL || len >= sizeof(plain))
		return error_set(err, ERROR_FAILED,
		    "a user needs a name without colon, and no more than %d bytes with the "
		    "password",
		    SECRET_MAX);
	*ret = malloc(4 * ((len + 2) / 3) + 1);
	if (*ret == NULL)
		return error_memory(err);
	snprintf(plain, sizeof(plain), "%s:%s", user, password);
	EVP_EncodeBlock((unsigned char *)*ret, (const unsigned char *)plain, (int)len);
	explicit_bzero(plain, sizeof(plain));
	return 0;
}

static struct account *account_new(const char *user, const char *password,
    const struct strv *repositories, bool write, struct error *err)
{
	struct account *account = calloc(1, sizeof(*account));

	if (account != NULL) {
		account->user = strdup(user);
		account->all = repositories == NULL;
		account->write = write;
	}
	if (account == NULL || account->user == NULL ||
	    (repositories != NULL && strv_copy(&account->repositories, repositories) < 0))
		error_memory(err);
	else if (encode(user, password, &account->secret, err) == 0) {
		strv_sort(&account->repositories);
		return account;
	}
	account_free(account);
	return NULL;
}

static int add(struct accounts *accounts, struct account *account, struct error *err)
{
	struct account **v;

	if (by_name(accounts, account->user) != NULL)
		return error_set(err, ERROR_CONFLICT, "there is a user %s", account->user);
	v = realloc(accounts->v, (accounts->n + 1) * sizeof(struct account *));
	if (v == NULL)
		return error_memory(err);
	accounts->v = v;
	v[accounts->n++] = account;
	return 0;
}

int accounts_add(struct accounts *accounts, const char *user, const char *password,
    const struct strv *repositories, bool write, struct error *err)
{
	struct account *account = account_new(user, password, repositories, write, err);
	int rc;

	if (account == NULL)
		return -1;
	pthread_mutex_lock(&accounts->lock);
	rc = add(accounts, account, err);
	pthread_mutex_unlock(&accounts->lock);
	if (rc < 0)
		account_free(account);
	return rc;
}

void accounts_release(struct accounts *accounts)
{
	for (size_t i = 0; i < accounts->n; i++)
		account_free(accounts->v[i]);
	free(accounts->v);
	pthread_mutex_destroy(&accounts->lock);
}

bool account_may_see(const struct account *account, const char *repository)
{
	return account == NULL || account->all || strv_has(&account->repositories, repository);
}

int server_allow(struct server *server, const char *user, const char *password,
    const struct strv *repositories, bool write, struct error *err)
{
	return accounts_add(&server->accounts, user, password, repositories, write, err);
}

uint64_t server_taken(struct server *server, const char *user)
{
	const struct account *account;

	pthread_mutex_lock(&server->accounts.lock);
	account = by_name(&server->accounts, user);
	pthread_mutex_unlock(&server->accounts.lock);
	return account != NULL ? atomic_load(&account->taken) : 0;
}
