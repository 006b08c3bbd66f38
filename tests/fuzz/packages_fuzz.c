/* The databases of packages that an image has: the first byte says whose, the rest is one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "deploy/packages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
	if (!holds)
		abort();
}

static int read_one(struct packages *packages, const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;

	switch (data[0]) {
	case 'd':
		return packages_read_dpkg(packages, text, size - 1, true, NULL);
	case 'l':
		return packages_read_dpkg(packages, text, size - 1, false, NULL);
	case 'a':
		return packages_read_apk(packages, text, size - 1, NULL);
	default:
		return packages_read_rpm(packages, text, size - 1, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packages packages = {0}, none = {0};
	CLEANUP_FREE struct package_change *changes = NULL;
	size_t n = 0;

	if (size == 0)
		return 0;
	read_one(&packages, data, size);
	for (size_t i = 0; i < packages.n; i++) {
		must(*packages.v[i].name != '\0' && *packages.v[i].version != '\0');
		for (const char *at = packages.v[i].name; *at != '\0'; at++)
			must(*at > ' ' && *at <= '~');
	}
	must(packages_compare(&packages, &packages, &changes, &n, NULL) == 0 && n == 0);
	free(steal_ptr(changes));
	must(packages_compare(&none, &packages, &changes, &n, NULL) == 0 && n == packages.n);
	packages_release(&packages);
	return 0;
}
