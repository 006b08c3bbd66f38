#include "deploy/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

void image_release(struct image *image)
{
	for (size_t i = 0; i < image->n; i++) {
		free(image->variants[i].os);
		free(image->variants[i].arch);
		free(image->variants[i].config);
		free(image->variants[i].manifest);
	}
	free(image->variants);
	free(image->local);
	free(image->repository);
	free(image->tag);
	free(image->digest);
	free(image->source);
	*image = (struct image){0};
}

/* Hosts are Linux, all of them. */
const struct image_variant *image_for(const struct image *image, const char *arch)
{
	for (size_t i = 0; i < image->n; i++)
		if (strcmp(image->variants[i].os, "linux") == 0 &&
		    strcmp(image->variants[i].arch, arch) == 0)
			return &image->variants[i];
	return NULL;
}

static bool same(const char *digest, const char *id)
{
	return digest != NULL && strcmp(digest, id) == 0;
}

bool image_is(const struct image *image, const struct image_variant *variant, const char *id)
{
	return same(variant->config, id) || same(variant->manifest, id) || same(image->digest, id);
}

char *image_local_name(const struct inventory *inv, const struct service *service)
{
	if (service->image != NULL)
		return strdup(service->image);
	return string_printf("%s-%s", inv->project, service->name);
}
