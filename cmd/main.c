#include "cmd/cli.h"
#include "transport/ssh/askpass.h"

int main(int argc, char *argv[])
{
	if (askpass_wanted())
		return askpass_run(argc, argv);
	return cli_main(argc, argv);
}
