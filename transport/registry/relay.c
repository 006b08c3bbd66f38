/* A window on another registry. */
#include "transport/registry/server_internal.h"

enum MHD_Result relay(struct request *request)
{
	return reply_error(request, ROUTE_UNSUPPORTED, NULL);
}
