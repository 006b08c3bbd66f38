/* Manifests, indexes and configs as anybody may push them: what is taken can be walked, and every
 * digest in it is one. */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "transport/registry/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
	if (!holds)
		abort();
}

static void is_whole(const struct manifest *manifest)
{
	must(manifest->is_index == (*manifest->config.digest == '\0'));
	must(manifest->media_type != NULL && manifest->artifact_type != NULL);
	must(manifest->n <= MANIFEST_ENTRIES_MAX);
	for (size_t i = 0; i < manifest->n; i++) {
		const struct descriptor *entry = &manifest->entries[i];

		must(digest_is_text(entry->digest));
		must(entry->os != NULL && entry->arch != NULL && entry->media_type != NULL);
	}
	must(*manifest->subject.digest == '\0' || digest_is_text(manifest->subject.digest));
	manifest_choose(manifest, "linux", "amd64");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct manifest manifest;
	struct image_config config;

	if (manifest_parse(data, size, NULL, &manifest, NULL) == 0) {
		is_whole(&manifest);
		manifest_release(&manifest);
	}
	if (image_config_parse(data, size, &config, NULL) == 0) {
		must(config.os != NULL && json_is_array(config.diff_ids));
		image_config_release(&config);
	}
	return 0;
}
