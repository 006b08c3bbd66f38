/* The ledger of one host: docs/formats.md, "The ledger". */
#ifndef SHIPIT_DEPLOY_LEDGER_H
#define SHIPIT_DEPLOY_LEDGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/strv.h"

struct engine;
struct engine_question;

/* LEDGER_DOWN: the service was taken off the host; `release` is what was current. */
enum ledger_kind { LEDGER_DEPLOY, LEDGER_ROLLBACK, LEDGER_DOWN };
enum ledger_result { LEDGER_PENDING, LEDGER_COMMITTED, LEDGER_REVERTED, LEDGER_FAILED };

struct ledger_entry {
	int64_t seq;
	int64_t file; /* the number in its file's name; 0: it has none yet */
	enum ledger_kind kind;
	enum ledger_result result;
	char *service, *rollout, *release;
	char *continues; /* the rollout of which this one is the rest; NULL: none */
	char *undoes; /* of a rollback: the rollout that it takes back; NULL: none in particular */
	char *previous; /* NULL on the first deploy */
	char *image, *config;
	char *by, *from, *at;
	char *source;  /* NULL: not known */
	char *content; /* fingerprint of the image (content.h), of a refresh; NULL: none was made */
	char *error;   /* NULL: none */
	bool found;
	json_t *options; /* owned reference */
};

struct ledger {
	struct ledger_entry *v; /* ascending by seq, one for each number */
	size_t n;
	int newest_version; /* the largest "v" seen */
	json_t
	    *fresh; /* of each service the image that a refresh found unchanged, and when; NULL */
	char key[DIGEST_HEX_SIZE]; /* under which secrets are sealed; "": none yet */
	int64_t last_file;	   /* the largest number of a file, whatever is in it */
	size_t bytes;		   /* in all files */
	size_t keep; /* releases of each service whose lines stay; 0: LEDGER_KEEP. The caller's */
};

/* Beyond so many lines, or bytes of them, a new line takes the file of the oldest one that no
 * rollback needs. */
enum { LEDGER_LINES = 256, LEDGER_BYTES = 4 * 1024 * 1024, LEDGER_KEEP = 10 };

/* The question for it, to be asked among others; `name`: of names.h. */
void ledger_question(const char *name, struct engine_question *ret);
/* Read its answer; an absent volume or container gives an empty ledger and *ret_present false. */
int ledger_read(struct engine *engine, const char *prefix, struct engine_question *answer,
    struct ledger *ret, bool *ret_present, struct error *err);
/* The same from a tar of the folder, for tests and fuzzing. Torn and foreign files are skipped; one
 * that there is no memory for is not. */
int ledger_parse_tar(const void *tar, size_t len, struct ledger *ret, struct error *err);
/* Make volume, image and container where they are missing. */
int ledger_prepare(
    struct engine *engine, const char *prefix, const json_t *labels, struct error *err);
/* Write one entry and put it into `ledger`. */
int ledger_write(struct engine *engine, const char *prefix, struct ledger *ledger,
    const struct ledger_entry *entry, struct error *err);

/* Write the key of secrets, 64 hex digits, beside the entries. */
int ledger_write_key(struct engine *engine, const char *prefix, const char *key, struct error *err);

/* A refresh found nothing newer than `image`, `at`; in memory, until ledger_write_fresh(). */
int ledger_set_fresh(struct ledger *ledger, const char *service, const char *image, const char *at,
    struct error *err);
/* When that was last, of this image of a service: unix seconds; 0: never. */
int64_t ledger_fresh_at(const struct ledger *ledger, const char *service, const char *image);
int ledger_write_fresh(
    struct engine *engine, const char *prefix, const struct ledger *ledger, struct error *err);

/* The rollout that an entry belongs to: what --retry made later is of the same. */
const char *ledger_rollout(const struct ledger_entry *entry);
int64_t ledger_next_seq(const struct ledger *ledger);
/* The last committed entry of a service; NULL: none, or it was taken down since. */
const struct ledger_entry *ledger_current(const struct ledger *ledger, const char *service);
/* The last committed entry of this release of a service; NULL: none. */
const struct ledger_entry *ledger_release_entry(
    const struct ledger *ledger, const char *service, const char *release);
/* The last entry with this number's outcome missing, for a service; NULL: none. */
const struct ledger_entry *ledger_pending(const struct ledger *ledger, const char *service);

/* Fingerprints of images of a service that a refresh brought and that were taken back since, at
 * once or by a rollback: added to `ret`, each once. */
int ledger_taken_back(
    const struct ledger *ledger, const char *service, struct strv *ret, struct error *err);

int ledger_entry_copy(struct ledger_entry *to, const struct ledger_entry *from);
/* NULL: out of memory. Text that is not UTF-8 is cleaned (base/text.h). */
json_t *ledger_entry_json(const struct ledger_entry *entry);
/* ERROR_PROTOCOL when it is no entry, or ERROR_MEMORY. */
int ledger_entry_parse(const json_t *json, struct ledger_entry *ret, struct error *err);
/* "deploy", "rollback", "down"; and "refresh", which in the ledger is a deploy with `content`. */
const char *ledger_entry_word(const struct ledger_entry *entry);
const char *ledger_result_name(enum ledger_result result);
void ledger_entry_release(struct ledger_entry *entry);
void ledger_release(struct ledger *ledger);

#endif
