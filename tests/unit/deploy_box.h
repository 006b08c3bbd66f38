/* A host's engine in miniature: containers, of the service web if nothing else is said, and a
 * ledger, for tests that find them in some state, set it right, and look again. */
#ifndef SHIPIT_TESTS_UNIT_DEPLOY_BOX_H
#define SHIPIT_TESTS_UNIT_DEPLOY_BOX_H

#include "deploy/found.h"
#include "tests/unit/deploy_ledger.h"

#define BOX_PREFIX  "shop.prod"
#define BOX_SERVICE "web"
#define BOX_NAME    BOX_PREFIX "." BOX_SERVICE

enum { BOX_MAX = 8 };

struct box_container {
	char service[8];
	char release[2]; /* a letter */
	char name[64];
	char policy[16], restart[16];
	char image[16]; /* "sha256:" and the letter, as in ledgers */
	bool running, started, gone;
};

struct box {
	struct box_container v[BOX_MAX];
	size_t n;
	struct ledger ledger;
};

static inline const char *box_retained(const char *letter)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s.%s", BOX_NAME, release_named(letter));
	return name;
}

/* "RELEASE NAME STATE POLICY RESTART", "api:" before it for that service: NAME `*` is the
 * service's,
 * `=` the retained one; STATE is created, running or exited. */
static inline void box_add(struct box *box, const char *line)
{
	const char *service = strncmp(line, "api:", 4) == 0 ? "api" : BOX_SERVICE;
	struct box_container c = {.gone = false};
	char letter[2], name[40], state[12];

	assert_true(box->n < BOX_MAX);
	line += strcmp(service, "api") == 0 ? 4 : 0;
	assert_int_equal(
	    sscanf(line, "%1s %39s %11s %15s %15s", letter, name, state, c.policy, c.restart), 5);
	memcpy(c.release, letter, sizeof(letter));
	memcpy(c.service, service, sizeof("web"));
	if (strcmp(name, "*") == 0)
		snprintf(c.name, sizeof(c.name), "%s.%s", BOX_PREFIX, service);
	else if (strcmp(name, "=") == 0)
		snprintf(
		    c.name, sizeof(c.name), "%s.%s.%s", BOX_PREFIX, service, release_named(letter));
	else
		memcpy(c.name, name, sizeof(name));
	snprintf(c.image, sizeof(c.image), "sha256:%s", letter);
	c.running = strcmp(state, "running") == 0;
	c.started = strcmp(state, "created") != 0;
	box->v[box->n++] = c;
}

static inline struct box box_of(const char *const *containers, const char *const *lines)
{
	struct box box = {.n = 0};

	for (; *containers != NULL; containers++)
		box_add(&box, *containers);
	box.ledger = ledger_of(lines);
	return box;
}

static inline void box_release(struct box *box)
{
	ledger_release(&box->ledger);
	*box = (struct box){.n = 0};
}

/* Facts that borrow from the box; `containers` holds them. */
static inline struct facts box_facts(struct box *box, struct container containers[BOX_MAX])
{
	struct facts facts = {.containers = containers, .ledger = box->ledger, .free_bytes = -1};

	for (size_t i = 0; i < box->n; i++) {
		struct box_container *c = &box->v[i];

		if (c->gone)
			continue;
		containers[facts.n_containers++] = (struct container){
		    .id = c->release,
		    .name = c->name,
		    .service = c->service,
		    .release = (char *)(uintptr_t)release_named(c->release),
		    .rollout = (char *)(uintptr_t) "of-its-label",
		    .image = c->image,
		    .config = (char *)(uintptr_t) "1:abc",
		    .restart = c->restart,
		    .policy = c->policy,
		    .by = (char *)(uintptr_t) "ann@laptop",
		    .at = (char *)(uintptr_t) "2026-11-22T17:54:32Z",
		    .status = (char *)(uintptr_t)(c->running ? "running" : "exited"),
		    .running = c->running,
		    .started_at = c->started ? 1 : 0,
		    .stop_grace_s = 10,
		};
	}
	return facts;
}

static inline struct box_container *box_find(struct box *box, const char *release)
{
	for (size_t i = 0; i < box->n; i++)
		if (!box->v[i].gone && strcmp(box->v[i].release, release) == 0)
			return &box->v[i];
	fail_msg("there is no container of %s", release);
	return NULL;
}

static inline void box_rename(struct box *box, const char *release, const char *name)
{
	struct box_container *c;

	for (size_t i = 0; i < box->n; i++)
		if (!box->v[i].gone && strcmp(box->v[i].name, name) == 0)
			fail_msg(
			    "%s is to be called %s, as %s is", release, name, box->v[i].release);
	c = box_find(box, release);
	snprintf(c->name, sizeof(c->name), "%s", name);
}

static inline void box_policy(struct box *box, const char *release, const char *policy)
{
	struct box_container *c = box_find(box, release);

	snprintf(c->policy, sizeof(c->policy), "%s", policy);
}

static inline void box_run(struct box *box, const char *release, bool run)
{
	struct box_container *c = box_find(box, release);

	c->running = run;
	c->started = c->started || run;
}

/* Power is lost, and the engine comes back with those that it is to start. */
static inline void box_reboot(struct box *box)
{
	for (size_t i = 0; i < box->n; i++) {
		struct box_container *c = &box->v[i];

		c->running = strcmp(c->policy, "always") == 0 ||
			     (strcmp(c->policy, "unless-stopped") == 0 && c->running);
	}
}

static inline size_t box_running(const struct box *box)
{
	size_t n = 0;

	for (size_t i = 0; i < box->n; i++)
		n += !box->v[i].gone && box->v[i].running;
	return n;
}

/* As record_repair does it. */
static inline void box_record(struct box *box, const struct repair *repair)
{
	struct ledger_entry entry = {
	    .kind = LEDGER_DEPLOY, .service = (char *)(uintptr_t)BOX_SERVICE};
	struct ledger_entry copy;

	for (size_t i = 0; i < box->ledger.n; i++)
		if (repair->seq != 0 && box->ledger.v[i].seq == repair->seq)
			entry = box->ledger.v[i];
	if (repair->seq == 0) {
		entry.seq = ledger_next_seq(&box->ledger);
		entry.release = repair->container->release;
		entry.rollout = repair->container->rollout;
	}
	assert_true(entry.seq > 0);
	entry.result = repair->result;
	entry.found = true;
	assert_int_equal(ledger_entry_copy(&copy, &entry), 0);
	assert_int_equal(ledger_insert(&box->ledger, &copy), 0);
}

static inline void box_repair(struct box *box, const struct repair *repair)
{
	const char *release = repair->container != NULL ? repair->container->id : NULL;

	switch (repair->kind) {
	case REPAIR_STOP:
		box_run(box, release, false);
		break;
	case REPAIR_POLICY:
		box_policy(box, release, repair->value);
		break;
	case REPAIR_RENAME:
		box_rename(box, release, repair->value);
		break;
	case REPAIR_START:
		box_run(box, release, true);
		break;
	case REPAIR_REMOVE:
		box_find(box, release)->gone = true;
		break;
	case REPAIR_LEDGER:
		box_record(box, repair);
		break;
	}
}

#endif
