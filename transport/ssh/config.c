#include "transport/ssh/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "transport/ssh/tokens.h"

enum { OUTPUT_MAX = 256 * 1024, CONNECT_TIMEOUT_MAX_S = 3600 };

static int set_string(char **field, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return -1;
	free(*field);
	*field = copy;
	return 0;
}

/* "none" is how ssh_config spells the absence of a path, a command or a jump. */
static int set_or_none(char **field, const char *value)
{
	if (strcasecmp(value, "none") != 0)
		return set_string(field, value);
	free(*field);
	*field = NULL;
	return 0;
}

static int set_list(struct strv *list, const char *value)
{
	strv_release(list);
	return strcasecmp(value, "none") == 0 ? 0 : strv_split(list, value, " ");
}

static bool is_yes(const char *value)
{
	return strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0;
}

static int set_port(struct ssh_config *config, const char *value)
{
	long port = strtol(value, NULL, 10);

	if (port > 0 && port < 65536)
		config->port = (int)port;
	return 0;
}

static int set_family(struct ssh_config *config, const char *value)
{
	if (strcasecmp(value, "inet") == 0)
		config->family = AF_INET;
	else if (strcasecmp(value, "inet6") == 0)
		config->family = AF_INET6;
	else
		config->family = AF_UNSPEC;
	return 0;
}

static int add_identity_file(struct ssh_config *config, const char *value)
{
	return strcasecmp(value, "none") == 0 ? 0 : strv_add(&config->identity_files, value);
}

/* ssh_config(5): a socket, "none", SSH_AUTH_SOCK, or the name of a variable after a '$'. */
static int set_agent(struct ssh_config *config, const char *value)
{
	const char *variable = NULL;

	if (strcmp(value, "SSH_AUTH_SOCK") == 0)
		variable = value;
	else if (value[0] == '$' && value[1] != '{')
		variable = value + 1;
	if (variable == NULL)
		return set_or_none(&config->agent, value);
	value = getenv(variable);
	return set_or_none(&config->agent, value != NULL && *value != '\0' ? value : "none");
}

static int set_user_known_hosts(struct ssh_config *config, const char *value)
{
	return set_list(&config->user_known_hosts, value);
}

static int set_global_known_hosts(struct ssh_config *config, const char *value)
{
	return set_list(&config->global_known_hosts, value);
}

/* "no" would also let a changed key pass in OpenSSH; here it never does. */
static int set_strict(struct ssh_config *config, const char *value)
{
	config->accept_new = strcasecmp(value, "accept-new") == 0 || strcasecmp(value, "no") == 0 ||
			     strcasecmp(value, "off") == 0 || strcasecmp(value, "false") == 0;
	return 0;
}

static int set_connect_timeout(struct ssh_config *config, const char *value)
{
	long seconds = strtol(value, NULL, 10);

	if (seconds > 0 && seconds <= CONNECT_TIMEOUT_MAX_S)
		config->connect_timeout_ms = (int)seconds * 1000;
	return 0;
}

static int add_certificate_file(struct ssh_config *config, const char *value)
{
	return strcasecmp(value, "none") == 0 ? 0 : strv_add(&config->certificate_files, value);
}

static int note_fork(struct ssh_config *config, const char *value UNUSED)
{
	config->knows_fork = true;
	return 0;
}

static int set_alive_interval(struct ssh_config *config, const char *value)
{
	long seconds = strtol(value, NULL, 10);

	config->alive_interval_s =
	    seconds > 0 && seconds <= CONNECT_TIMEOUT_MAX_S ? (int)seconds : 0;
	return 0;
}

#define OWN(function)	.set = function
#define STRING(member)	.kind = OPTION_STRING, .at = offsetof(struct ssh_config, member)
#define OR_NONE(member) .kind = OPTION_OR_NONE, .at = offsetof(struct ssh_config, member)
#define FLAG(member)	.kind = OPTION_FLAG, .at = offsetof(struct ssh_config, member)

static const struct option {
	const char *name;
	int (*set)(struct ssh_config *config, const char *value); /* NULL: by its kind */
	enum { OPTION_OWN, OPTION_STRING, OPTION_OR_NONE, OPTION_FLAG } kind;
	size_t at; /* of the member */
} options[] = {
    {"hostname", STRING(host_name)},
    {"user", STRING(user)},
    {"port", OWN(set_port)},
    {"addressfamily", OWN(set_family)},
    {"identityfile", OWN(add_identity_file)},
    {"identitiesonly", FLAG(identities_only)},
    {"identityagent", OWN(set_agent)},
    {"userknownhostsfile", OWN(set_user_known_hosts)},
    {"globalknownhostsfile", OWN(set_global_known_hosts)},
    {"hostkeyalias", STRING(host_key_alias)},
    {"stricthostkeychecking", OWN(set_strict)},
    {"hashknownhosts", FLAG(hash_known_hosts)},
    {"connecttimeout", OWN(set_connect_timeout)},
    {"proxycommand", OR_NONE(proxy_command)},
    {"proxyjump", OR_NONE(proxy_jump)},
    {"certificatefile", OWN(add_certificate_file)},
    {"ciphers", STRING(ciphers)},
    {"macs", STRING(macs)},
    {"kexalgorithms", STRING(key_exchanges)},
    {"hostkeyalgorithms", STRING(host_key_types)},
    {"bindaddress", OR_NONE(bind_address)},
    {"gssapiauthentication", FLAG(gssapi)},
    {"hostbasedauthentication", FLAG(hostbased)},
    {"pkcs11provider", OR_NONE(pkcs11)},
    {"knownhostscommand", OR_NONE(known_hosts_command)},
    {"revokedhostkeys", OR_NONE(revoked_host_keys)},
    {"serveraliveinterval", OWN(set_alive_interval)},
    {"forkafterauthentication", OWN(note_fork)},
};

static int apply(const struct option *option, struct ssh_config *config, const char *value)
{
	void *member = (char *)config + option->at;

	switch (option->kind) {
	case OPTION_STRING:
		return set_string(member, value);
	case OPTION_OR_NONE:
		return set_or_none(member, value);
	case OPTION_FLAG:
		*(bool *)member = is_yes(value);
		return 0;
	default:
		return option->set(config, value);
	}
}

static int set_option(struct ssh_config *config, const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (strcasecmp(options[i].name, name) == 0)
			return apply(&options[i], config, value);
	return 0;
}

int ssh_config_parse(struct ssh_config *config, const char *text, struct error *err)
{
	CLEANUP_STRV struct strv lines = {0};

	if (strv_split(&lines, text, "\r\n") < 0)
		return error_memory(err);
	/* `ssh -G` lists every identity file, the defaults too, when none is configured. */
	strv_release(&config->identity_files);
	config->has_ssh = true;
	for (size_t i = 0; i < lines.n; i++) {
		char *value = strchr(lines.v[i], ' ');

		if (value == NULL)
			continue;
		*value++ = '\0';
		if (set_option(config, lines.v[i], value) < 0)
			return error_memory(err);
	}
	return 0;
}

int ssh_config_defaults(struct ssh_config *config, const char *name, struct error *err)
{
	CLEANUP_FREE char *me = tokens_user();
	const char *agent = getenv("SSH_AUTH_SOCK");
	struct ssh_config empty = {.port = 22, .family = AF_UNSPEC};

	*config = empty;
	if (set_string(&config->name, name) < 0 || set_string(&config->host_name, name) < 0 ||
	    set_string(&config->user, me != NULL ? me : "root") < 0 ||
	    (agent != NULL && *agent != '\0' && set_string(&config->agent, agent) < 0) ||
	    strv_add(&config->identity_files, "~/.ssh/id_ed25519") < 0 ||
	    strv_add(&config->identity_files, "~/.ssh/id_ecdsa") < 0 ||
	    strv_add(&config->identity_files, "~/.ssh/id_rsa") < 0 ||
	    set_list(&config->user_known_hosts, "~/.ssh/known_hosts ~/.ssh/known_hosts2") < 0 ||
	    set_list(&config->global_known_hosts,
		"/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2") < 0)
		return error_memory(err);
	return 0;
}

static int expand_list(struct strv *list, const struct ssh_config *config)
{
	struct strv expanded = {0};

	for (size_t i = 0; i < list->n; i++)
		if (strv_take(&expanded, tokens_expand_path(list->v[i], config)) < 0) {
			strv_release(&expanded);
			return -1;
		}
	strv_release(list);
	*list = expanded;
	return 0;
}

static int expand_string(char **string, char *(*expand)(const char *, const struct ssh_config *),
    const struct ssh_config *config)
{
	char *expanded;

	if (*string == NULL)
		return 0;
	expanded = expand(*string, config);
	if (expanded == NULL)
		return -1;
	free(*string);
	*string = expanded;
	return 0;
}

/* With a ProxyCommand it is the same one for all whose command is, before its tokens. */
static char *first_machine(const struct ssh_config *config)
{
	if (config->proxy_command != NULL)
		return strdup(config->proxy_command);
	if (config->proxy_jump != NULL)
		return strndup(config->proxy_jump, strcspn(config->proxy_jump, ","));
	return string_printf("%s:%d", config->host_name, config->port);
}

int ssh_config_expand(struct ssh_config *config, struct error *err)
{
	free(config->first_machine);
	config->first_machine = first_machine(config);
	if (config->first_machine == NULL || expand_list(&config->identity_files, config) < 0 ||
	    expand_list(&config->certificate_files, config) < 0 ||
	    expand_string(&config->revoked_host_keys, tokens_expand_path, config) < 0 ||
	    expand_list(&config->user_known_hosts, config) < 0 ||
	    expand_list(&config->global_known_hosts, config) < 0 ||
	    expand_string(&config->agent, tokens_expand_path, config) < 0 ||
	    expand_string(&config->proxy_command, tokens_expand, config) < 0)
		return error_memory(err);
	return 0;
}

/* Ask ssh. That there is no ssh is no error; that it does not like its configuration is. */
static int ask_ssh(struct ssh_config *config, const struct session_target *target,
    int64_t deadline_ms, struct error *err)
{
	CLEANUP_STRV struct strv argv = {0};
	CLEANUP_ERROR struct error why = {0};
	struct proc_result result = {0};
	int rc = 0;

	if (strv_add(&argv, "ssh") < 0 || strv_add(&argv, "-G") < 0 ||
	    (target->config != NULL &&
		(strv_add(&argv, "-F") < 0 || strv_add(&argv, target->config) < 0)) ||
	    (target->user != NULL && strv_addf(&argv, "-oUser=%s", target->user) < 0) ||
	    (target->port > 0 && strv_addf(&argv, "-oPort=%d", target->port) < 0) ||
	    (target->address != NULL && strv_addf(&argv, "-oHostName=%s", target->address) < 0) ||
	    strv_add(&argv, "--") < 0 || strv_add(&argv, target->name) < 0)
		return error_memory(err);
	if (proc_run((const char *const *)argv.v, OUTPUT_MAX, deadline_ms, target->cancel_fd,
		&result, &why) < 0) {
		if (why.kind != ERROR_NOT_FOUND) {
			error_move(err, &why);
			rc = error_wrap(err, "reading the ssh configuration");
		}
	} else if (result.status != 0) {
		result.err.data[strcspn(result.err.data, "\r\n")] = '\0';
		rc = error_set(err, ERROR_INVENTORY, "ssh does not accept its configuration: %s",
		    result.err.len > 0 ? result.err.data : "ssh -G failed");
		error_hint(err, "try: ssh -G %s", target->name);
	} else {
		rc = ssh_config_parse(config, result.out.data, err);
	}
	proc_result_release(&result);
	return rc;
}

static int apply_target(
    struct ssh_config *config, const struct session_target *target, struct error *err)
{
	if ((target->address != NULL && set_string(&config->host_name, target->address) < 0) ||
	    (target->user != NULL && set_string(&config->user, target->user) < 0) ||
	    (target->config != NULL && set_string(&config->file, target->config) < 0))
		return error_memory(err);
	if (target->port > 0)
		config->port = target->port;
	config->accept_new |= target->accept_new;
	return 0;
}

int ssh_config_load(const struct session_target *target, int64_t deadline_ms,
    struct ssh_config *ret, struct error *err)
{
	struct ssh_config config;

	if (ssh_config_defaults(&config, target->name, err) < 0 ||
	    ask_ssh(&config, target, deadline_ms, err) < 0 ||
	    apply_target(&config, target, err) < 0 || ssh_config_expand(&config, err) < 0) {
		ssh_config_release(&config);
		return -1;
	}
	*ret = config;
	return 0;
}

void ssh_config_release(struct ssh_config *config)
{
	free(config->name);
	free(config->host_name);
	free(config->user);
	free(config->agent);
	free(config->host_key_alias);
	free(config->proxy_command);
	free(config->proxy_jump);
	free(config->file);
	free(config->first_machine);
	free(config->ciphers);
	free(config->macs);
	free(config->key_exchanges);
	free(config->host_key_types);
	free(config->bind_address);
	free(config->pkcs11);
	free(config->known_hosts_command);
	free(config->revoked_host_keys);
	strv_release(&config->certificate_files);
	strv_release(&config->identity_files);
	strv_release(&config->user_known_hosts);
	strv_release(&config->global_known_hosts);
	memset(config, 0, sizeof(*config));
}
