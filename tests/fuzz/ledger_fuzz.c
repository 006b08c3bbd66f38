/* A host's ledger as anybody with its engine may have written it: as an archive, or, after an `f`,
 * as files "NAME\0TEXT\0NAME\0TEXT..." that an archive is made of. What comes of it goes through
 * all that a rollback does before it talks to a host. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "deploy/container.h"
#include "deploy/ledger_json.h"
#include "deploy/plan.h"
#include "transport/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
	if (!holds)
		abort();
}

enum { FILES_MAX = 64 };

/* An archive of the files; false when there is none in it. */
static bool archive_of(const uint8_t *data, size_t size, struct buf *tar)
{
	const char *text = (const char *)data, *end = text + size;
	struct tar_entry files[FILES_MAX];
	size_t n = 0;

	while (n < FILES_MAX) {
		const char *name = text;
		const char *content = memchr(name, '\0', (size_t)(end - name));
		const char *after;

		if (content == NULL)
			break;
		content++;
		after = memchr(content, '\0', (size_t)(end - content));
		if (after == NULL)
			break;
		if (*name == '\0')
			return false;
		files[n++] = (struct tar_entry){
		    .name = name, .data = content, .len = (size_t)(after - content)};
		text = after + 1;
	}
	return n > 0 && tar_make(files, n, tar, NULL) == 0;
}

static void entry_goes_round(const struct ledger_entry *entry)
{
	struct ledger_entry copy;
	CLEANUP_JSON json_t *one = ledger_entry_json(entry);
	CLEANUP_JSON json_t *two = NULL;

	must(one != NULL && ledger_entry_copy(&copy, entry) == 0);
	two = ledger_entry_json(&copy);
	must(json_equal(one, two));
	ledger_entry_release(&copy);
}

static void make_it(const struct ledger_entry *entry)
{
	const struct identity identity = {.project = "shop",
	    .environment = "prod",
	    .prefix = "shop.prod",
	    .service = entry->service,
	    .release = entry->release,
	    .rollout = entry->rollout,
	    .image = entry->image,
	    .config = entry->config,
	    .by = entry->by,
	    .at = entry->at,
	    .source = entry->source};
	CLEANUP_FREE char *line = container_run_line(&identity, entry->options, "image:tag");
	CLEANUP_JSON json_t *body = NULL;

	/* There are no secrets to be had here. */
	must((container_body(&identity, entry->options, "id", NULL, &body, NULL) == 0) ==
	     (line != NULL &&
		 json_object_size(json_object_get(entry->options, "secret_environment")) == 0));
}

/* Two services, a retained container of each release that the ledger has, and every rollback. */
static void plan_with(const struct ledger *ledger)
{
	struct service service = {.name = (char *)(uintptr_t) "web"};
	const struct service *services[] = {&service};
	struct container containers[4] = {{.id = NULL}};
	struct facts facts = {.containers = containers, .ledger = *ledger};
	struct found found;
	struct plan_input input = {.prefix = "shop.prod",
	    .facts = &facts,
	    .found = &found,
	    .services = services,
	    .n_services = 1};

	for (size_t i = 0; i < ledger->n && facts.n_containers < 4; i++)
		containers[facts.n_containers++] =
		    (struct container){.id = (char *)(uintptr_t) "id",
			.name = (char *)(uintptr_t) "shop.prod.web",
			.service = ledger->v[i].service,
			.release = ledger->v[i].release,
			.rollout = (char *)(uintptr_t) "",
			.image = (char *)(uintptr_t) "",
			.config = (char *)(uintptr_t) "",
			.restart = (char *)(uintptr_t) "always",
			.policy = (char *)(uintptr_t) "no",
			.started_at = (int64_t)i,
			.running = i % 2 == 1};
	must(found_make(&facts, "shop.prod", "web", &found, NULL) == 0);
	for (size_t i = 0; i < ledger->n; i++)
		for (int to = 0; to < 2; to++) {
			const char *release = to ? ledger->v[i].release : NULL;
			struct plan plan;

			if (plan_rollback(&input, release, ledger->v[i].rollout, &plan, NULL) < 0)
				continue;
			plan_preflight(&input, &plan, NULL);
			plan_release(&plan);
		}
	found_release(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_BUF struct buf tar = BUF_INIT(16 << 20);
	struct ledger ledger;

	if (size > 0 && data[0] == 'f') {
		if (!archive_of(data + 1, size - 1, &tar))
			return 0;
		data = (const uint8_t *)tar.data;
		size = tar.len;
	}
	if (ledger_parse_tar(data, size, &ledger, NULL) < 0)
		return 0;
	for (size_t i = 0; i < ledger.n; i++) {
		must(ledger.v[i].seq > (i > 0 ? ledger.v[i - 1].seq : 0));
		entry_goes_round(&ledger.v[i]);
		make_it(&ledger.v[i]);
	}
	must(ledger_next_seq(&ledger) > (ledger.n > 0 ? ledger.v[ledger.n - 1].seq : 0));
	plan_with(&ledger);
	ledger_release(&ledger);
	return 0;
}
