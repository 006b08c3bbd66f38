/* What one host says about itself and about what we left there. A value: the plan is made from it,
 * tests make one by hand. */
#ifndef SHIPIT_DEPLOY_FACTS_H
#define SHIPIT_DEPLOY_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"
#include "deploy/keeper.h"
#include "deploy/ledger.h"

struct engine;

/* A container of this prefix: by its labels, or where it has none of ours by its name:
 * PREFIX.SERVICE, or PREFIX.SERVICE.RELEASE of a release that the ledger has. All strings owned. */
struct container {
	char *id;
	char *name; /* without the leading slash */
	char *service, *release, *rollout;
	char *image;   /* config digest, from our label */
	char *config;  /* "1:HASH" */
	char *restart; /* the policy the user wants, from our label */
	char *policy;  /* the policy it has now */
	char *by, *at, *source;
	char *status; /* the engine's: "running", "exited", "created", ... */
	char *health; /* "healthy", "unhealthy", "starting", or NULL: no healthcheck */
	int exit_code;
	bool running;
	bool auto_remove;   /* it is gone once it is stopped (docker run --rm) */
	bool by_hand;	    /* nobody but its name says that it is ours: somebody ran it by hand */
	int64_t started_at; /* unix seconds; 0: never */
	char *image_id;	    /* what the engine calls its image */
	/* Of FACTS_AGES, unix seconds; 0: not known. When its image was made, and the first step of
	 * that: the file tree that all else stands on. */
	int64_t image_made, base_made;
	int stop_grace_s;
};

/* A published port that a running container holds. */
struct taken_port {
	int port;
	char protocol[8];
	char *ip;     /* "" all addresses */
	char *holder; /* the container's name */
};

struct facts {
	char *engine_version; /* "20.10.24" */
	int api;	      /* of its API, 1.`api`; 0: not known */
	char *arch;	      /* as images call it: amd64, arm64, ... */
	char *root_dir;	      /* where the engine keeps its data */
	int64_t free_bytes;   /* there; -1: not known */
	int64_t clock_skew_s; /* host minus laptop */
	struct container *containers;
	size_t n_containers;
	struct taken_port *ports;
	size_t n_ports;
	struct keeper_facts listens; /* and what else the keeper said */
	struct strv foreign;	     /* names of containers that are not this prefix's */
	struct strv strangers;	     /* of them, those without any label of ours */
	struct strv images;	     /* "REPOSITORY:TAG" of name_image and name_pulled */
	struct strv image_ids;	     /* ids of the images above, same order */
	struct ledger ledger;
	bool has_ledger;     /* the ledger's volume is there */
	bool fixed_policies; /* of this engine (engine_policies_are_fixed): what stops would be
				started again with the host, so nothing stopped is kept */
};

enum {
	FACTS_MACHINE = 1,  /* the engine, and from the keeper disk, clock and listening ports */
	FACTS_SERVICES = 2, /* what we left there: containers, images, the ledger */
	FACTS_ALL = FACTS_MACHINE | FACTS_SERVICES,
	FACTS_AGES = 4, /* with FACTS_SERVICES: how old the images of what runs are */
};
/* Read these parts over an open engine; the others stay empty. To read the ledger costs an engine
 * more than all else together. */
int facts_gather(struct engine *engine, struct keeper *keeper, const char *prefix, unsigned parts,
    struct facts *ret, struct error *err);
/* Look at the containers of this prefix again; on failure what was known stays. */
int facts_refresh(
    struct engine *engine, const char *prefix, struct facts *facts, struct error *err);
void facts_release(struct facts *facts);

/* Does it hold that port of that address ("": all)? */
bool taken_port_is(const struct taken_port *taken, const char *ip, int port, const char *protocol);
/* The container of this release of a service, the running one if there are several; NULL: none. */
const struct container *facts_container(
    const struct facts *facts, const char *service, const char *release);
/* Is there an image with this tag, "localhost/shipit/PREFIX.SERVICE:TAG"? Its id, or NULL. */
const char *facts_image_id(const struct facts *facts, const char *reference);

#endif
