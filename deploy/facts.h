/* What one host says about itself and about what we left there. A value: the plan is made from it,
 * tests make one by hand. */
#ifndef SHIPIT_DEPLOY_FACTS_H
#define SHIPIT_DEPLOY_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"
#include "deploy/ledger.h"

struct engine;
struct keeper;

/* A container of this prefix. All strings owned. */
struct container {
	char *id;
	char *name; /* without the leading slash */
	char *service, *release, *rollout;
	char *image;   /* config digest, from our label */
	char *config;  /* "1:HASH" */
	char *restart; /* the policy the user wants, from our label */
	char *policy;  /* the policy it has now */
	char *by, *at, *source;
	char *status;  /* the engine's: "running", "exited", "created", ... */
	char *health;  /* "healthy", "unhealthy", "starting", or NULL: no healthcheck */
	int exit_code;
	bool running;
	int64_t started_at; /* unix seconds; 0: never */
	int stop_grace_s;
};

/* A published port that somebody holds. */
struct taken_port {
	int port;
	char protocol[8];
	char *ip;     /* "" all addresses */
	char *holder; /* container's name; NULL: a program that is no container */
};

struct facts {
	char *engine_version, *engine_name; /* "20.10.24", "docker" */
	char *arch;	   /* as images call it: amd64, arm64, ... */
	char *root_dir;	   /* where the engine keeps its data */
	int64_t free_bytes; /* there; -1: not known */
	int64_t clock_skew_s; /* host minus laptop */
	struct container *containers;
	size_t n_containers;
	struct taken_port *ports;
	size_t n_ports;
	struct strv foreign;  /* names of containers that are not this prefix's */
	struct strv networks; /* names of all networks */
	struct strv volumes;  /* names of all volumes */
	struct strv images;   /* "REPOSITORY:TAG" of localhost/shipit/PREFIX.* */
	struct strv image_ids; /* ids of the images above, same order */
	struct ledger ledger;
	bool has_ledger; /* the ledger's volume is there */
};

/* Read them over an open engine; from the keeper: architecture, disk, clock and listening ports. */
int facts_gather(struct engine *engine, struct keeper *keeper, const char *prefix,
    struct facts *ret, struct error *err);
void facts_release(struct facts *facts);

/* The container that is current for a service, as found.h decides; NULL: none. */
const struct container *facts_container(const struct facts *facts, const char *service,
    const char *release);

#endif
