#include "deploy/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "deploy/facts_container.h"
#include "deploy/names.h"
#include "transport/engine.h"

/* As images name architectures (Go's GOARCH), from what the engine's /info says (uname -m). */
static const char *image_arch(const char *machine)
{
	static const struct {
		const char *machine, *arch;
	} known[] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"},
	    {"armv6l", "arm"}, {"i686", "386"}, {"i386", "386"}};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].machine, machine) == 0)
			return known[i].arch;
	return machine;
}

static int add_container(
    struct facts *facts, const char *prefix, const json_t *inspect, struct error *err)
{
	struct container *v = reallocarray(facts->containers, facts->n_containers + 1, sizeof(*v));

	if (v == NULL)
		return error_memory(err);
	facts->containers = v;
	if (container_parse(inspect, &v[facts->n_containers]) < 0)
		return error_memory(err);
	facts->n_containers++;
	if (*v[facts->n_containers - 1].service != '\0')
		return 0;
	return container_by_name(prefix, inspect, &v[facts->n_containers - 1]) < 0
		   ? error_memory(err)
		   : 0;
}

static int add_port(struct facts *facts, const json_t *port, const char *holder, struct error *err)
{
	struct taken_port taken = {.port = (int)json_int(port, "PublicPort", 0)};
	const char *ip = json_str(port, "IP", "");
	struct taken_port *v;

	if (taken.port == 0)
		return 0;
	if (strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0)
		ip = "";
	snprintf(taken.protocol, sizeof(taken.protocol), "%s", json_str(port, "Type", "tcp"));
	taken.ip = strdup(ip);
	taken.holder = strdup(holder);
	v = reallocarray(facts->ports, facts->n_ports + 1, sizeof(*v));
	if (v != NULL)
		facts->ports = v;
	if (v == NULL || taken.ip == NULL || taken.holder == NULL) {
		free(taken.ip);
		free(taken.holder);
		return error_memory(err);
	}
	v[facts->n_ports++] = taken;
	return 0;
}

/* The name of a service is nobody else's. That of a release may be chance, unless the ledger has
 * it: it was run by hand, and then retired by us. */
static bool is_ours_by_name(const char *name, const char *prefix, const struct ledger *ledger)
{
	const char *release;
	size_t len = container_name_parse(prefix, name, &release);
	CLEANUP_FREE char *service = len > 0 ? strndup(name + strlen(prefix) + 1, len) : NULL;

	return service != NULL &&
	       (release == NULL || ledger_release_entry(ledger, service, release) != NULL);
}

/* What has our prefix and no service or release is the ledger's container, or a stranger's. */
static bool is_ours(
    const json_t *labels, const char *name, const char *prefix, const struct ledger *ledger)
{
	const char *of = json_string_value(json_object_get(labels, LABEL_PREFIX "prefix"));
	const char *service = json_string_value(json_object_get(labels, LABEL_PREFIX "service"));
	const char *release = json_string_value(json_object_get(labels, LABEL_PREFIX "release"));

	if (of == NULL)
		return is_ours_by_name(name, prefix, ledger);
	return strcmp(of, prefix) == 0 && service != NULL && text_is_name(service) &&
	       release != NULL && name_is_release(release);
}

/* One entry of the list: ours are to be inspected, of the others the names and ports matter. */
static int look_at(const char *prefix, const struct ledger *ledger, const json_t *summary,
    struct facts *facts, struct strv *ours, struct error *err)
{
	const char *name = json_string_value(json_array_get(json_object_get(summary, "Names"), 0));
	const json_t *labels = json_object_get(summary, "Labels");
	json_t *port;
	size_t i;
	int rc;

	name = name == NULL ? "" : *name == '/' ? name + 1 : name;
	json_array_foreach(json_object_get(summary, "Ports"), i, port)
	{
		if (add_port(facts, port, name, err) < 0)
			return -1;
	}
	if (is_ours(labels, name, prefix, ledger))
		rc = strv_add(ours, json_str(summary, "Id", name));
	else
		rc = strv_add(&facts->foreign, name) < 0 ||
			     (json_object_get(labels, LABEL_PREFIX "prefix") == NULL &&
				 strv_add(&facts->strangers, name) < 0)
			 ? -1
			 : 0;
	return rc < 0 ? error_memory(err) : 0;
}

/* What went away between the two questions is not there. */
static int take_inspects(struct engine_question *answers, size_t n, const char *prefix,
    struct facts *facts, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (answers[i].err.kind == ERROR_NOT_FOUND)
			continue;
		if (answers[i].err.kind != ERROR_NONE) {
			error_move(err, &answers[i].err);
			return -1;
		}
		if (add_container(facts, prefix, answers[i].json, err) < 0)
			return -1;
	}
	return 0;
}

static int inspect_all(struct engine *engine, const char *prefix, const struct strv *ids,
    struct facts *facts, struct error *err)
{
	struct engine_question *questions = calloc(ids->n + 1, sizeof(*questions));
	int rc;

	if (questions == NULL)
		return error_memory(err);
	for (size_t i = 0; i < ids->n; i++)
		questions[i] =
		    (struct engine_question){.what = ENGINE_ASK_CONTAINER, .name = ids->v[i]};
	rc = ids->n > 0 ? engine_ask(engine, questions, ids->n, err) : 0;
	if (rc == 0)
		rc = take_inspects(questions, ids->n, prefix, facts, err);
	engine_questions_release(questions, ids->n);
	free(questions);
	return rc;
}

static void forget_containers(struct facts *facts)
{
	for (size_t i = 0; i < facts->n_containers; i++)
		container_release(&facts->containers[i]);
	for (size_t i = 0; i < facts->n_ports; i++) {
		free(facts->ports[i].ip);
		free(facts->ports[i].holder);
	}
	free(facts->containers);
	free(facts->ports);
	strv_release(&facts->foreign);
	strv_release(&facts->strangers);
	facts->containers = NULL;
	facts->ports = NULL;
	facts->n_containers = facts->n_ports = 0;
}

static int take_list(struct engine *engine, const char *prefix, const struct ledger *ledger,
    const json_t *list, struct facts *fresh, struct error *err)
{
	CLEANUP_STRV struct strv ours = {0};
	json_t *summary;
	size_t i;

	json_array_foreach(list, i, summary)
	{
		if (look_at(prefix, ledger, summary, fresh, &ours, err) < 0)
			return -1;
	}
	return inspect_all(engine, prefix, &ours, fresh, err);
}

static int take_containers(struct engine *engine, const char *prefix, const json_t *list,
    struct facts *facts, struct error *err)
{
	struct facts fresh = {0};

	if (take_list(engine, prefix, &facts->ledger, list, &fresh, err) < 0) {
		forget_containers(&fresh);
		return -1;
	}
	forget_containers(facts);
	facts->containers = fresh.containers;
	facts->n_containers = fresh.n_containers;
	facts->ports = fresh.ports;
	facts->n_ports = fresh.n_ports;
	facts->foreign = fresh.foreign;
	facts->strangers = fresh.strangers;
	return 0;
}

/* Why it was not answered, if so. */
static int check(struct engine_question *answer, const char *what, struct error *err)
{
	if (answer->err.kind == ERROR_NONE)
		return 0;
	error_move(err, &answer->err);
	return error_wrap(err, "cannot %s", what);
}

int facts_refresh(struct engine *engine, const char *prefix, struct facts *facts, struct error *err)
{
	struct engine_question question = {.what = ENGINE_ASK_CONTAINERS};
	int rc = engine_ask(engine, &question, 1, err);

	if (rc == 0)
		rc = check(&question, "list the containers", err);
	if (rc == 0)
		rc = take_containers(engine, prefix, question.json, facts, err);
	engine_questions_release(&question, 1);
	return rc;
}

static int take_images(struct facts *facts, const json_t *list, struct error *err)
{
	json_t *image, *tag;
	size_t i, j;

	json_array_foreach(list, i, image)
	{
		json_array_foreach(json_object_get(image, "RepoTags"), j, tag)
		{
			if (!json_is_string(tag))
				continue;
			if (strv_add(&facts->images, json_string_value(tag)) < 0 ||
			    strv_add(&facts->image_ids, json_str(image, "Id", "")) < 0)
				return error_memory(err);
		}
	}
	return 0;
}

static int take_info(struct facts *facts, const json_t *info, struct error *err)
{
	facts->arch = strdup(image_arch(json_str(info, "Architecture", "unknown")));
	facts->root_dir = strdup(json_str(info, "DockerRootDir", "/"));
	facts->engine_version = strdup(json_str(info, "ServerVersion", "?"));
	return facts->arch != NULL && facts->root_dir != NULL && facts->engine_version != NULL
		   ? 0
		   : error_memory(err);
}

enum { ASK_INFO, ASK_CONTAINERS, ASK_OURS, ASK_PULLED, ASK_LEDGER, ASK_MAX };

static int take_services(struct engine *engine, const char *prefix, struct engine_question *answers,
    struct facts *facts, struct error *err)
{
	if (check(&answers[ASK_CONTAINERS], "list the containers", err) < 0 ||
	    check(&answers[ASK_OURS], "list the images", err) < 0 ||
	    check(&answers[ASK_PULLED], "list the images", err) < 0 ||
	    take_images(facts, answers[ASK_OURS].json, err) < 0 ||
	    take_images(facts, answers[ASK_PULLED].json, err) < 0 ||
	    ledger_read(
		engine, prefix, &answers[ASK_LEDGER], &facts->ledger, &facts->has_ledger, err) < 0)
		return -1;
	return take_containers(engine, prefix, answers[ASK_CONTAINERS].json, facts, err);
}

static int take_listens(struct keeper *keeper, struct facts *facts, struct error *err)
{
	if (keeper_facts(keeper, &facts->listens, err) < 0)
		return -1;
	facts->free_bytes = facts->listens.free_bytes;
	if (facts->listens.clock != 0)
		facts->clock_skew_s = facts->listens.clock - (int64_t)time(NULL);
	return 0;
}

/* The keeper looks at the disk while the engine looks at its containers. What the keeper was asked
 * is heard whatever becomes of the other. */
static int take_all(struct engine *engine, struct keeper *keeper, const char *prefix,
    unsigned parts, struct engine_question *answers, struct facts *facts, struct error *err)
{
	CLEANUP_ERROR struct error late = {0};
	int rc = 0, keeper_rc = 0;

	if ((parts & FACTS_MACHINE) != 0 &&
	    (check(&answers[ASK_INFO], "ask the engine about itself", err) < 0 ||
		take_info(facts, answers[ASK_INFO].json, err) < 0 ||
		keeper_facts_ask(keeper, facts->root_dir, err) < 0))
		return -1;
	if ((parts & FACTS_SERVICES) != 0)
		rc = take_services(engine, prefix, answers, facts, err);
	if ((parts & FACTS_MACHINE) != 0)
		keeper_rc = take_listens(keeper, facts, rc < 0 ? &late : err);
	facts->api = engine_api(engine);
	facts->fixed_policies = engine_policies_are_fixed(engine);
	return rc < 0 ? rc : keeper_rc;
}

static int gather(struct engine *engine, struct keeper *keeper, const char *prefix, unsigned parts,
    struct facts *facts, struct error *err)
{
	CLEANUP_FREE char *ours = name_image(prefix, "*");
	CLEANUP_FREE char *pulled = name_pulled(prefix, "*");
	CLEANUP_FREE char *ledger = name_ledger(prefix);
	struct engine_question questions[ASK_MAX] = {
	    [ASK_INFO] = {.what = ENGINE_ASK_INFO},
	    [ASK_CONTAINERS] = {.what = ENGINE_ASK_CONTAINERS},
	    [ASK_OURS] = {.what = ENGINE_ASK_IMAGES, .name = ours},
	    [ASK_PULLED] = {.what = ENGINE_ASK_IMAGES, .name = pulled},
	};
	size_t first = (parts & FACTS_MACHINE) != 0 ? ASK_INFO : ASK_INFO + 1;
	size_t end = (parts & FACTS_SERVICES) != 0 ? ASK_MAX : ASK_INFO + 1;
	int rc;

	if (ours == NULL || pulled == NULL || ledger == NULL)
		return error_memory(err);
	ledger_question(ledger, &questions[ASK_LEDGER]);
	rc = engine_ask(engine, questions + first, end - first, err);
	if (rc == 0)
		rc = take_all(engine, keeper, prefix, parts, questions, facts, err);
	engine_questions_release(questions, ASK_MAX);
	return rc;
}

int facts_gather(struct engine *engine, struct keeper *keeper, const char *prefix, unsigned parts,
    struct facts *ret, struct error *err)
{
	struct facts facts = {.free_bytes = -1};

	if (gather(engine, keeper, prefix, parts, &facts, err) < 0 ||
	    ((parts & FACTS_AGES) != 0 && facts_ages(engine, &facts, err) < 0)) {
		facts_release(&facts);
		return -1;
	}
	*ret = facts;
	return 0;
}

void facts_release(struct facts *facts)
{
	free(facts->engine_version);
	free(facts->arch);
	free(facts->root_dir);
	forget_containers(facts);
	strv_release(&facts->images);
	strv_release(&facts->image_ids);
	ledger_release(&facts->ledger);
	*facts = (struct facts){0};
}

static bool ips_overlap(const char *a, const char *b)
{
	return *a == '\0' || *b == '\0' || strcmp(a, b) == 0;
}

bool taken_port_is(const struct taken_port *taken, const char *ip, int port, const char *protocol)
{
	return taken->port == port && strcmp(taken->protocol, protocol) == 0 &&
	       ips_overlap(taken->ip, ip);
}

const struct container *facts_container(
    const struct facts *facts, const char *service, const char *release)
{
	const struct container *found = NULL;

	for (size_t i = 0; i < facts->n_containers; i++) {
		const struct container *c = &facts->containers[i];

		if (strcmp(c->service, service) == 0 && strcmp(c->release, release) == 0 &&
		    (found == NULL || c->running))
			found = c;
	}
	return found;
}

const char *facts_image_id(const struct facts *facts, const char *reference)
{
	for (size_t i = 0; i < facts->images.n; i++)
		if (strcmp(facts->images.v[i], reference) == 0)
			return facts->image_ids.v[i];
	return NULL;
}
