#include "deploy/names.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/digest.h"

static const char digest_start[] = "sha256:";

static void stamp(time_t when, char out[RELEASE_SIZE])
{
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL || strftime(out, 16, "%Y%m%d-%H%M%S", &tm) == 0)
		memcpy(out, "00000000-000000", 16);
}

int name_release(time_t when, const char *config_digest, char out[RELEASE_SIZE], struct error *err)
{
	char at[RELEASE_SIZE];
	size_t start = sizeof(digest_start) - 1;

	if (strncmp(config_digest, digest_start, start) != 0 ||
	    strspn(config_digest + start, "0123456789abcdef") != 64 ||
	    config_digest[start + 64] != '\0')
		return error_set(
		    err, ERROR_PROTOCOL, "\"%s\" is not a SHA-256 digest", config_digest);
	stamp(when, at);
	snprintf(out, RELEASE_SIZE, "%.15s-%.7s", at, config_digest + start);
	return 0;
}

int name_rollout(time_t when, char out[RELEASE_SIZE], struct error *err)
{
	char at[RELEASE_SIZE], random[7];

	if (digest_random_hex(3, random, err) < 0)
		return -1;
	stamp(when, at);
	snprintf(out, RELEASE_SIZE, "%.15s-r%s", at, random);
	return 0;
}

bool name_is_release(const char *text)
{
	static const char form[] = "dddddddd-dddddd-xxxxxxx";

	for (size_t i = 0; i < sizeof(form); i++) {
		bool digit = text[i] >= '0' && text[i] <= '9';
		bool hex = digit || (text[i] >= 'a' && text[i] <= 'f');

		if (form[i] == 'd' ? !digit : form[i] == 'x' ? !hex : text[i] != form[i])
			return false;
	}
	return true;
}

char *name_container(const char *prefix, const char *service)
{
	return string_printf("%s.%s", prefix, service);
}

char *name_retained(const char *prefix, const char *service, const char *release)
{
	return string_printf("%s.%s.%s", prefix, service, release);
}

char *name_image(const char *prefix, const char *service)
{
	return string_printf("localhost/shipit/%s.%s", prefix, service);
}

char *name_image_tag(const char *prefix, const char *service, const char *tag)
{
	return string_printf("localhost/shipit/%s.%s:%s", prefix, service, tag);
}

char *name_pulled(const char *prefix, const char *service)
{
	return string_printf("127.0.0.1:*/%s.%s", prefix, service);
}

char *name_default_network(const char *prefix)
{
	return string_printf("%s.default", prefix);
}

char *name_ledger(const char *prefix)
{
	return string_printf("%s.%s", prefix, LEDGER_SERVICE);
}
