/* shipit version */
#include <archive.h>
#include <curl/curl.h>
#include <jansson.h>
#include <libdeflate.h>
#include <libssh2.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <string.h>
#include <yaml.h>
#include <zlib.h>

#include "cmd/cli.h"
#include "cmd/ui/json.h"

#ifndef SHIPIT_VERSION
#define SHIPIT_VERSION "unknown"
#endif

struct library {
	const char *name, *version;
};

/* "OpenSSL 3.0.17 1 Jul 2025" -> "3.0.17" */
static void second_word(const char *text, char *out, size_t size)
{
	const char *at = strchr(text, ' ');

	snprintf(out, size, "%s", at != NULL ? at + 1 : text);
	out[strcspn(out, " ")] = '\0';
}

int version_run(struct cli *cli, struct error UNUSED *err)
{
	char crypto[64], archive[64];
	const struct library libraries[] = {
	    {"shipit", SHIPIT_VERSION},
	    {"libssh2", libssh2_version(0)},
	    {"libcurl", curl_version_info(CURLVERSION_NOW)->version},
	    {"jansson", JANSSON_VERSION},
	    {"libyaml", yaml_get_version_string()},
	    {"libcrypto", crypto},
	    {"libarchive", archive},
	    {"sqlite3", sqlite3_libversion()},
	    {"libmicrohttpd", MHD_get_version()},
	    {"libdeflate", LIBDEFLATE_VERSION_STRING},
	    {"zlib", zlibVersion()},
	};
	json_t *object = cli->settings.json ? json_object() : NULL;

	second_word(OpenSSL_version(OPENSSL_VERSION), crypto, sizeof(crypto));
	second_word(archive_version_string(), archive, sizeof(archive));
	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++) {
		if (object != NULL)
			json_put(object, libraries[i].name, libraries[i].version);
		else
			fprintf(cli->out, "%s %s\n", libraries[i].name, libraries[i].version);
	}
	json_line(cli->out, object);
	cli->summarized = true;
	return EXIT_OK;
}
