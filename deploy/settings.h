/* Run options that the engine takes as they are: one table says of each what it is called in them
 * (which is Compose's key), in the engine's API, and by `docker run`. */
#ifndef SHIPIT_DEPLOY_SETTINGS_H
#define SHIPIT_DEPLOY_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/strv.h"

enum setting_form {
	SETTING_FLAG,
	SETTING_NUMBER,
	SETTING_CPUS, /* an integer: billionths of a processor */
	SETTING_TEXT,
	SETTING_LIST,	/* an array of texts */
	SETTING_PAIRS,	/* an object of texts */
	SETTING_TMPFS,	/* an array of "PATH" and "PATH:OPTIONS" */
	SETTING_LIMITS, /* an array of "NAME=SOFT:HARD" */
	SETTING_RATES,	/* an array of "/DEVICE:NUMBER" */
	SETTING_GPUS,	/* an array of device requests */
};

struct setting {
	const char *key;
	enum setting_form form;
	bool of_host;	    /* a member of HostConfig */
	const char *name;   /* NULL: no member of its own */
	const char *option; /* "--cap-add"; NULL: `docker run` has none */
};

extern const struct setting settings[];
extern const size_t n_settings;

/* Is it "NAME=SOFT:HARD"? Is it "/DEVICE:NUMBER"? */
bool setting_is_limit(const char *text);
bool setting_is_rate(const char *text);
bool setting_is_gpu(const json_t *value);
/* Put those that `options` has into a body of POST /containers/create. -1: out of memory. */
int settings_put(json_t *body, json_t *host, const json_t *options);
/* The words of `docker run` (or of `docker build`, by a table of its own) for one: "--cap-add",
 * "NET_ADMIN", and so on. -1: out of memory. */
int setting_words(const struct setting *setting, const json_t *value, struct strv *words);

#endif
