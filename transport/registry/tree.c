#include "transport/registry/tree.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"

enum { PATH_SIZE = 4096 + 1, SLOTS_MIN = 1024, NEVER = -1 };

static const char whiteout[] = ".wh.", opaque[] = ".wh..wh..opq", of_aufs[] = ".wh..wh.";

struct node {
	char *path;
	uint64_t hash;
	int shown;  /* the layer from which it is seen; NEVER: it is not, so far */
	int seen;   /* the last layer that had it, whatever hides it */
	int hidden; /* the layer that whites it out */
	int opaque; /* the layer that hides all that lies in it below */
	bool folder;
	unsigned char digest[DIGEST_RAW_SIZE];	    /* of what is seen */
	unsigned char seen_digest[DIGEST_RAW_SIZE]; /* of layer `seen`: hard links mean that */
};

struct tree {
	struct node **slots; /* a hash table; size is a power of two, at most half full */
	size_t n_slots, n;
	size_t bytes;
	int layer; /* 0 is the top */
};

int tree_new(struct tree **ret, struct error *err)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (tree != NULL)
		tree->slots = calloc(SLOTS_MIN, sizeof(struct node *));
	if (tree == NULL || tree->slots == NULL) {
		free(tree);
		return error_memory(err);
	}
	tree->n_slots = SLOTS_MIN;
	tree->layer = NEVER;
	*ret = tree;
	return 0;
}

void tree_free(struct tree *tree)
{
	if (tree == NULL)
		return;
	for (size_t i = 0; i < tree->n_slots; i++) {
		if (tree->slots[i] != NULL)
			free(tree->slots[i]->path);
		free(tree->slots[i]);
	}
	free(tree->slots);
	free(tree);
}

void tree_next_layer(struct tree *tree)
{
	tree->layer++;
}

/* --- the table */

/* FNV-1a. Who makes paths collide makes his own comparison slow; their number is bounded. */
static uint64_t hash_of(const char *path, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325U;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)path[i]) * 0x100000001b3U;
	return hash;
}

static struct node **slot_of(
    struct node **slots, size_t n, const char *path, size_t len, uint64_t hash)
{
	size_t at = (size_t)hash & (n - 1);

	while (slots[at] != NULL &&
	       (slots[at]->hash != hash || strncmp(slots[at]->path, path, len) != 0 ||
		   slots[at]->path[len] != '\0'))
		at = (at + 1) & (n - 1);
	return &slots[at];
}

static struct node *find(const struct tree *tree, const char *path, size_t len)
{
	return *slot_of(tree->slots, tree->n_slots, path, len, hash_of(path, len));
}

static int grow(struct tree *tree, struct error *err)
{
	size_t n = tree->n_slots * 2;
	struct node **slots;

	if (tree->n < tree->n_slots / 2)
		return 0;
	slots = calloc(n, sizeof(*slots));
	if (slots == NULL)
		return error_memory(err);
	for (size_t i = 0; i < tree->n_slots; i++) {
		struct node *node = tree->slots[i];

		if (node != NULL)
			*slot_of(slots, n, node->path, strlen(node->path), node->hash) = node;
	}
	free(tree->slots);
	tree->slots = slots;
	tree->n_slots = n;
	return 0;
}

static struct node *get(struct tree *tree, const char *path, struct error *err)
{
	size_t len = strlen(path);
	uint64_t hash = hash_of(path, len);
	struct node **slot, *node;

	if (grow(tree, err) < 0)
		return NULL;
	slot = slot_of(tree->slots, tree->n_slots, path, len, hash);
	if (*slot != NULL)
		return *slot;
	if (tree->n >= TREE_NAMES_MAX || tree->bytes + len > TREE_BYTES_MAX) {
		error_set(err, ERROR_PROTOCOL, "it has more than %d files", TREE_NAMES_MAX);
		return NULL;
	}
	node = calloc(1, sizeof(*node));
	if (node == NULL || (node->path = strdup(path)) == NULL) {
		free(node);
		error_memory(err);
		return NULL;
	}
	node->hash = hash;
	node->shown = node->seen = node->hidden = node->opaque = NEVER;
	tree->n++;
	tree->bytes += len;
	*slot = node;
	return node;
}

/* --- what hides what */

bool tree_path(const char *path, char *out, size_t size)
{
	size_t len;

	for (;;) {
		if (*path == '/')
			path++;
		else if (path[0] == '.' && (path[1] == '/' || path[1] == '\0'))
			path++;
		else
			break;
	}
	len = strlen(path);
	while (len > 0 && path[len - 1] == '/')
		len--;
	*out = '\0';
	if (len >= size)
		return false;
	memcpy(out, path, len);
	out[len] = '\0';
	return true;
}

static bool is_above(const struct tree *tree, int layer)
{
	return layer != NEVER && layer < tree->layer;
}

static bool hides_what_is_in_it(const struct tree *tree, const struct node *folder)
{
	return is_above(tree, folder->hidden) || is_above(tree, folder->opaque) ||
	       (is_above(tree, folder->shown) && !folder->folder);
}

/* `path` is clean. */
static bool shows(const struct tree *tree, const char *path)
{
	size_t len = strlen(path);
	const struct node *node = find(tree, path, len);

	if (node != NULL && (is_above(tree, node->shown) || is_above(tree, node->hidden)))
		return false;
	while (len > 0) {
		while (len > 0 && path[len - 1] != '/')
			len--;
		len -= len > 0;
		node = find(tree, path, len);
		if (node != NULL && hides_what_is_in_it(tree, node))
			return false;
	}
	return true;
}

bool tree_shows(const struct tree *tree, const char *path)
{
	char clean[PATH_SIZE];

	return tree_path(path, clean, sizeof(clean)) && shows(tree, clean);
}

/* --- entries */

static int clean_path(const char *path, char clean[PATH_SIZE], struct error *err)
{
	return tree_path(path, clean, PATH_SIZE)
		   ? 0
		   : error_set(err, ERROR_PROTOCOL, "a path in it has more than %d bytes: %.60s...",
			 PATH_SIZE - 1, path);
}

/* ".wh.NAME" hides NAME, ".wh..wh..opq" what the folder has below; what else begins so is of
 * AUFS's own keeping. */
static int add_whiteout(struct tree *tree, char *path, char *name, struct error *err)
{
	bool all = strcmp(name, opaque) == 0;
	struct node *node;

	if (!all && strncmp(name, of_aufs, sizeof(of_aufs) - 1) == 0)
		return 0;
	if (all)
		*(name > path ? name - 1 : name) = '\0';
	else
		memmove(name, name + sizeof(whiteout) - 1, strlen(name) - (sizeof(whiteout) - 2));
	node = get(tree, path, err);
	if (node == NULL)
		return -1;
	if (all && node->opaque == NEVER)
		node->opaque = tree->layer;
	if (!all && node->hidden == NEVER)
		node->hidden = tree->layer;
	return 0;
}

static int add(struct tree *tree, const char *path, bool folder,
    const unsigned char digest[DIGEST_RAW_SIZE], struct error *err)
{
	bool shown = shows(tree, path);
	struct node *node = get(tree, path, err);

	if (node == NULL)
		return -1;
	node->seen = tree->layer;
	memcpy(node->seen_digest, digest, DIGEST_RAW_SIZE);
	if (!shown)
		return 0;
	node->shown = tree->layer;
	node->folder = folder;
	memcpy(node->digest, digest, DIGEST_RAW_SIZE);
	return 0;
}

int tree_add(struct tree *tree, const char *path, bool folder,
    const unsigned char digest[DIGEST_RAW_SIZE], struct error *err)
{
	char clean[PATH_SIZE];
	char *slash, *name;

	if (clean_path(path, clean, err) < 0)
		return -1;
	slash = strrchr(clean, '/');
	name = slash != NULL ? slash + 1 : clean;
	if (strncmp(name, whiteout, sizeof(whiteout) - 1) == 0)
		return add_whiteout(tree, clean, name, err);
	return *clean != '\0' ? add(tree, clean, folder, digest, err) : 0;
}

int tree_add_link(struct tree *tree, const char *path, const char *target, struct error *err)
{
	char clean[PATH_SIZE], clean_target[PATH_SIZE];
	unsigned char digest[DIGEST_RAW_SIZE];
	const struct node *node;

	if (clean_path(path, clean, err) < 0 || clean_path(target, clean_target, err) < 0)
		return -1;
	if (*clean == '\0')
		return 0;
	node = find(tree, clean_target, strlen(clean_target));
	if (node != NULL && node->seen == tree->layer)
		memcpy(digest, node->seen_digest, sizeof(digest));
	else if (digest_raw(clean_target, strlen(clean_target), digest, err) < 0)
		return -1;
	return add(tree, clean, false, digest, err);
}

/* --- the whole */

static int by_path(const void *a, const void *b)
{
	return strcmp((*(struct node *const *)a)->path, (*(struct node *const *)b)->path);
}

int tree_digest(struct tree *tree, struct digest *digest, struct error *err)
{
	CLEANUP_FREE struct node **sorted = calloc(tree->n + 1, sizeof(*sorted));
	size_t n = 0;
	int rc = 0;

	if (sorted == NULL)
		return error_memory(err);
	for (size_t i = 0; i < tree->n_slots; i++)
		if (tree->slots[i] != NULL && tree->slots[i]->shown != NEVER)
			sorted[n++] = tree->slots[i];
	qsort(sorted, n, sizeof(*sorted), by_path);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = digest_add(digest, sorted[i]->path, strlen(sorted[i]->path) + 1, err);
		if (rc == 0)
			rc = digest_add(digest, sorted[i]->digest, DIGEST_RAW_SIZE, err);
	}
	return rc;
}
