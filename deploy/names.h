/* The names that docs/formats.md pins. Builders return malloc'ed text, NULL when out of memory. */
#ifndef SHIPIT_DEPLOY_NAMES_H
#define SHIPIT_DEPLOY_NAMES_H

#include <stdbool.h>
#include <time.h>

#include "base/error.h"

#define LABEL_PREFIX "dev.shipit."

enum { RELEASE_SIZE = 24 /* "20261122-175432-9f3c2a1" and NUL */ };

/* `config_digest`: "sha256:...". */
int name_release(time_t when, const char *config_digest, char out[RELEASE_SIZE], struct error *err);
int name_rollout(time_t when, char out[RELEASE_SIZE], struct error *err);
bool name_is_release(const char *text);

char *name_container(const char *prefix, const char *service);
char *name_retained(const char *prefix, const char *service, const char *release);
/* "localhost/shipit/shop.prod.web" */
char *name_image(const char *prefix, const char *service);
/* "localhost/shipit/shop.prod.web:RELEASE" */
char *name_image_tag(const char *prefix, const char *service, const char *tag);
/* "127.0.0.1:*" + "/shop.prod.web": what a pull through any tunnel is called until it is tagged. */
char *name_pulled(const char *prefix, const char *service);
char *name_default_network(const char *prefix);
char *name_ledger(const char *prefix);

#define LEDGER_IMAGE_REPOSITORY "localhost/shipit/ledger"
#define LEDGER_IMAGE_TAG	"1"
#define LEDGER_SERVICE		"shipit" /* no service may be called so */

#endif
