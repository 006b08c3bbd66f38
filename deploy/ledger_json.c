/* One ledger entry as the JSON line of docs/formats.md, and back. */
#include "deploy/ledger_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"

enum { TEXT_MAX = 4 * 1024 * 1024 };

static const char *const kinds[] = {"deploy", "rollback", "down"};
static const char *const results[] = {"pending", "committed", "reverted", "failed"};

const char *ledger_entry_word(const struct ledger_entry *entry)
{
	return entry->kind == LEDGER_DEPLOY && entry->content != NULL ? "refresh"
								      : kinds[entry->kind];
}

const char *ledger_result_name(enum ledger_result result)
{
	return results[result];
}

/* Index of `text` in `names`, -1 when it is not there. */
static int find(const char *const *names, size_t n, const char *text)
{
	for (size_t i = 0; text != NULL && i < n; i++)
		if (strcmp(names[i], text) == 0)
			return (int)i;
	return -1;
}

/* What a container or an engine said may be no UTF-8, and that must not keep its end from being
 * written down. */
static int put_text(json_t *object, const char *key, const char *value)
{
	CLEANUP_BUF struct buf clean = BUF_INIT(TEXT_MAX);

	if (value == NULL)
		return 0;
	if (text_is_utf8(value))
		return json_object_set_new(object, key, json_string(value));
	if (text_clean(&clean, value, strlen(value), true) < 0)
		return -1;
	return json_object_set_new(object, key, json_string(clean.data));
}

json_t *ledger_entry_json(const struct ledger_entry *entry)
{
	json_t *json = json_pack("{s:i, s:I, s:s, s:s}", "v", LEDGER_VERSION, "seq",
	    (json_int_t)entry->seq, "kind", kinds[entry->kind], "result", results[entry->result]);
	const struct {
		const char *key, *value;
	} texts[] = {
	    {"service", entry->service},
	    {"rollout", entry->rollout},
	    {"continues", entry->continues},
	    {"undoes", entry->undoes},
	    {"release", entry->release},
	    {"previous", entry->previous},
	    {"image", entry->image},
	    {"config", entry->config},
	    {"by", entry->by},
	    {"from", entry->from},
	    {"at", entry->at},
	    {"source", entry->source},
	    {"content", entry->content},
	    {"error", entry->error},
	};
	int rc = json == NULL ? -1 : 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && rc == 0; i++)
		rc = put_text(json, texts[i].key, texts[i].value);
	if (rc == 0 && entry->found)
		rc = json_object_set_new(json, "found", json_true());
	if (rc == 0 && entry->options != NULL)
		rc = json_object_set(json, "options", entry->options);
	if (rc < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

/* A copy of a member; a missing one is "" when it must be there, else NULL. -1: out of memory. */
static int take_text(const json_t *json, const char *key, bool required, char **ret)
{
	const char *text = json_str(json, key, required ? "" : NULL);

	*ret = text != NULL ? strdup(text) : NULL;
	return text != NULL && *ret == NULL ? -1 : 0;
}

int ledger_entry_parse(const json_t *json, struct ledger_entry *ret, struct error *err)
{
	struct ledger_entry entry = {.seq = json_int(json, "seq", 0)};
	int kind = find(kinds, 3, json_str(json, "kind", NULL));
	int result = find(results, 4, json_str(json, "result", NULL));
	const struct {
		const char *key;
		char **to;
		bool required;
	} texts[] = {
	    {"service", &entry.service, true},
	    {"rollout", &entry.rollout, true},
	    {"continues", &entry.continues, false},
	    {"undoes", &entry.undoes, false},
	    {"release", &entry.release, true},
	    {"previous", &entry.previous, false},
	    {"image", &entry.image, true},
	    {"config", &entry.config, true},
	    {"by", &entry.by, true},
	    {"from", &entry.from, true},
	    {"at", &entry.at, true},
	    {"source", &entry.source, false},
	    {"content", &entry.content, false},
	    {"error", &entry.error, false},
	};
	int rc = 0;

	if (entry.seq <= 0 || entry.seq > LEDGER_SEQ_MAX || kind < 0 || result < 0)
		return error_set(err, ERROR_PROTOCOL, "this is no entry of a ledger");
	entry.kind = (enum ledger_kind)kind;
	entry.result = (enum ledger_result)result;
	entry.found = json_flag(json, "found", false);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && rc == 0; i++)
		rc = take_text(json, texts[i].key, texts[i].required, texts[i].to);
	if (rc < 0 || entry.service[0] == '\0' || entry.release[0] == '\0') {
		ledger_entry_release(&entry);
		return rc < 0 ? error_memory(err)
			      : error_set(err, ERROR_PROTOCOL,
				    "this entry of a ledger has no service or no release");
	}
	if (json_is_object(json_object_get(json, "options")))
		entry.options = json_incref(json_object_get(json, "options"));
	*ret = entry;
	return 0;
}

int ledger_entry_copy(struct ledger_entry *to, const struct ledger_entry *from)
{
	CLEANUP_JSON json_t *json = ledger_entry_json(from);

	return json == NULL ? -1 : ledger_entry_parse(json, to, NULL);
}

void ledger_entry_release(struct ledger_entry *entry)
{
	free(entry->service);
	free(entry->rollout);
	free(entry->continues);
	free(entry->undoes);
	free(entry->release);
	free(entry->previous);
	free(entry->image);
	free(entry->config);
	free(entry->by);
	free(entry->from);
	free(entry->at);
	free(entry->source);
	free(entry->content);
	free(entry->error);
	json_decref(entry->options);
	*entry = (struct ledger_entry){0};
}
