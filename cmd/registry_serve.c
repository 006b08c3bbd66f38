#include "cmd/registry.h"

int registry_serve_run(struct cli *cli UNUSED, struct error *err)
{
	return error_set(err, ERROR_FAILED, "registry serve is not there yet");
}
