/* What one shipit.yml says, validated, with defaults filled in. Plain data; made by
 * inventory_load, freed by inventory_free, never changed after. docs/inventory.md is the
 * reference for people.
 *
 * Everything here is what the file says, not what runs anywhere: resolving images, hosts and ports
 * against the world is the work of deploy/. */
#ifndef SHIPIT_INVENTORY_INVENTORY_H
#define SHIPIT_INVENTORY_INVENTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"

/* Where a value stands: `line` and `column` count from 1; 0 is "not from a file". What a program
 * printed has no lines that people know, and `path` is the way to the value: "hosts.web1.port". */
struct position {
	const char *file; /* owned by the inventory, as is `path` */
	int line;
	int column;
	const char *path; /* NULL: it stands in a file */
};

enum host_key_policy { HOST_KEYS_STRICT, HOST_KEYS_ACCEPT_NEW };
/* How images come to a host: pulled through a tunnel, or loaded through the session. */
enum delivery { DELIVERY_AUTO, DELIVERY_PULL, DELIVERY_LOAD };
enum ssh_transport { TRANSPORT_AUTO, TRANSPORT_LIBSSH2, TRANSPORT_OPENSSH };

struct ssh_settings {
	char *user;   /* NULL: what ssh's own configuration says */
	char *config; /* as `ssh -F`; "~/" expanded and made absolute; NULL: ssh's default */
	enum ssh_transport transport;
	enum host_key_policy host_keys;
};

struct engine_settings {
	char *command; /* "docker", "podman" or a path; default "docker" */
	bool sudo;     /* run it by `sudo -n` */
};

struct host {
	char *name;	/* as written, after ranges are expanded */
	char *address;	/* host name or address to connect to; NULL: `name` (ssh's config resolves
			   it) */
	char *user;	/* NULL: ssh_settings.user */
	int port;	/* 0: ssh's configuration, else 22 */
	char *host_key; /* "ssh-ed25519 AAAA...": the only key accepted; NULL: known_hosts */
	struct strv tags;
	struct pairs environment; /* for containers on this host */
	struct engine_settings engine;
	enum delivery delivery;
	struct position pos;
};

/* A published port. Ranges are expanded: one of these for each port. */
struct port {
	char *host_ip; /* NULL: all addresses */
	int host_port; /* 0: the engine picks one */
	int container_port;
	char protocol[8]; /* "tcp", "udp", "sctp" */
	struct position pos;
};

enum secret_kind { SECRET_ENV, SECRET_FILE, SECRET_COMMAND };

/* A value that nobody is to see: where it comes from. It is not read here. */
struct secret {
	char *name;
	enum secret_kind kind;
	char *variable;	     /* ENV: its name in this process's environment */
	char *standby;	     /* ENV: its value in the `.env` beside the file; NULL */
	char *file;	     /* FILE: an absolute path */
	struct strv command; /* COMMAND: what it prints, as words */
	struct position pos;
};

/* A secret that is put into a container as a file. */
struct secret_file {
	char *secret;	   /* its name */
	char *target;	   /* absolute path; default /run/secrets/NAME */
	unsigned int mode; /* default 0444 */
	int uid, gid;	   /* default 0 */
	struct position pos;
};

enum volume_kind { VOLUME_NAMED, VOLUME_BIND, VOLUME_ANONYMOUS, VOLUME_TMPFS };

struct volume {
	enum volume_kind kind;
	char *source; /* named: its key in the file; bind: absolute path on the host; NULL:
			 anonymous */
	char *target; /* absolute path in the container */
	bool read_only;
	/* Options that the engine takes behind "ro" or "rw", such as "z,rslave"; NULL: none. */
	char *modes;
	/* What it takes only of a mount, as members of the run option `mounts`; NULL: nothing. */
	struct json_t *mount;
	struct position pos;
};

struct healthcheck {
	bool set;
	bool disable;
	struct strv test; /* as in Docker: ["CMD", ...], ["CMD-SHELL", "..."] */
	/* 0: the engine's default */
	int64_t interval_ms, timeout_ms, start_period_ms, start_interval_ms;
	int retries; /* 0: the engine's default */
};

enum probe_kind { PROBE_HTTP, PROBE_TCP, PROBE_EXEC };

/* A question to a new container, asked again and again until it was answered well. */
struct probe {
	enum probe_kind kind;
	char *text;    /* for people: "http://:8080/healthz" */
	bool tls;      /* https; whose certificate it is, is not asked */
	char *host;    /* http, tcp: as the host calls it; NULL: the container's own address, or the
			  host's loopback when it publishes this port there */
	int port;      /* http, tcp */
	char *path;    /* http: "/healthz?full" */
	int status[2]; /* http: from, to; default 200, 399 */
	struct pairs headers; /* http: what the answer's must be */
	char *body;	      /* http: a text that it must contain; NULL: any */
	struct strv command;  /* exec: must end with 0 */
	int64_t timeout_ms;   /* for one answer; default 5000 */
	int64_t interval_ms;  /* from one question to the next; default 500 */
	int successes;	      /* good answers in a row that are needed; default 2 */
};

struct ready {
	int64_t running_ms; /* must have stayed up so long; default 3000 */
	bool healthy; /* wait for the healthcheck, also the image's own; default: when there is one
		       */
	bool healthy_set;     /* the file says `healthy` itself */
	int64_t timeout_ms;   /* for all of it; default 60000 */
	struct probe *probes; /* all of them have to be answered well */
	size_t n_probes;
};

/* A one-off container of the new image, once for each rollout. */
struct before {
	struct strv command; /* empty: none */
	int64_t timeout_ms;  /* default 30 minutes */
};

enum order { ORDER_STOP_FIRST, ORDER_START_FIRST };

/* Something else that has to be there first: of a service another one that is ready, where a host
 * has both; of a build step another one that is through. */
struct dependency {
	char *name;
	struct position pos;
};

/* A secret that a build's commands see as a file. */
struct build_secret {
	char *secret; /* its name */
	char *id;     /* what the recipe calls it; default the same */
};

struct build {
	bool set;
	char *step; /* of a service: the step whose image it is, and nothing below; NULL: this is
		       the build */
	struct position step_pos;
	char *context;		 /* absolute path on the laptop */
	char *dockerfile;	 /* absolute path; NULL: the engine's default */
	struct pairs args;	 /* value NULL: the caller has no such variable, leave it out */
	struct json_t *settings; /* Compose's other keys, in the forms of docs/formats.md; NULL:
				    none */
	struct pairs contexts; /* more of them, by name: absolute paths, or what the engine takes */
	struct build_secret *secrets;
	size_t n_secrets;
	struct dependency *needs; /* steps, or services that are built */
	size_t n_needs;
};

enum mount_kind {
	MOUNT_INPUT,  /* a folder of the project: what is in it decides whether the step is run */
	MOUNT_OUTPUT, /* a folder beside the file that the step fills */
	MOUNT_OTHER,  /* a path of this machine that is not looked at: a cache, a socket */
};

struct mount {
	enum mount_kind kind;
	char *source; /* absolute path on the laptop */
	char *target; /* absolute path in the container */
	bool read_only;
	struct position pos;
};

/* A container that is run while building. */
struct step_run {
	bool set;
	char *image; /* a step's name, or an image of the laptop's engine */
	struct position image_pos;
	struct mount *mounts;
	size_t n_mounts;
	struct pairs environment; /* value NULL: leave it out */
	struct strv command, entrypoint;
	bool has_command, has_entrypoint; /* else the image's */
	char *user;			  /* NULL: the image's */
	struct json_t *settings;	  /* as a service's */
};

/* A step of building that has a name: of `builds:`, or of a service's `build: {steps: ...}`. It
 * either builds an image, which is called PROJECT-NAME, or runs one; `build.needs` is of both. */
struct build_step {
	char *name;
	struct build build;
	struct step_run run;
	struct position pos;
};

struct service {
	char *name;
	/* NULL only with build: then PROJECT-SERVICE is what is built. An engine's image, or with
	 * `image_is_file` oci:PATH[:NAME] or docker-archive:PATH[:NAME], PATH absolute. */
	char *image;
	bool image_is_file;
	char *platform; /* "linux/arm64": only hosts of that architecture; NULL: any */
	struct build build;
	struct strv hosts; /* names, globs, tag:NAME; empty: all of the environment's */
	struct port *ports;
	size_t n_ports;
	struct pairs environment; /* env_file first, then `environment`, over it */
	struct volume *volumes;
	size_t n_volumes;
	struct secret_file *secrets;
	size_t n_secrets;
	struct strv devices;		  /* "HOST[:CONTAINER[:rwm]]" */
	struct strv networks;		  /* keys; empty: "default" */
	struct json_t *network_options;	  /* KEY: options, docs/formats.md; NULL: none */
	bool has_command, has_entrypoint; /* set though perhaps empty: `command: []` */
	struct strv command;		  /* a string is split as a shell would, as Compose does */
	struct strv entrypoint;
	struct pairs labels;
	char
	    *restart; /* "always" (default), "no", "unless-stopped", "on-failure", "on-failure:N" */
	char *user;   /* NULL: the image's */
	struct json_t
	    *settings; /* what the engine takes as it is: docs/formats.md; NULL: nothing */
	struct healthcheck healthcheck;
	int64_t stop_grace_ms; /* default 10000 */
	struct ready ready;
	enum order order;
	struct before before;
	struct dependency *depends_on;
	size_t n_depends_on;
	int retain; /* releases kept, current one included; default 3, at least 1 */
	struct position pos, image_pos;
};

/* A network or volume of the top level; those that services name without an entry get one, and so
 * does the network "default" when a service names none. */
struct resource {
	char *key;
	char *name; /* its name on the host: `name:`, or the key when external; NULL: PREFIX.KEY */
	bool external;		 /* must be there already */
	struct json_t *settings; /* how it is made: docs/formats.md; NULL: as the engine does */
	struct position pos;
};

/* So many hosts, or so many in a hundred. */
struct share {
	int n;
	bool percent;
};
/* "3" or "25%"; false: it is none, or less than `least`. */
bool share_parse(const char *text, int least, struct share *ret);

enum on_failure {
	ON_FAILURE_ROLLBACK, /* all hosts of the rollout go back, also those that were fine */
	ON_FAILURE_STOP,     /* no further batch is begun; what works stays */
	ON_FAILURE_CONTINUE,
};

/* How a deploy goes from host to host. */
struct rollout_policy {
	struct share batch;	    /* hosts at a time; n 0: all */
	int canary;		    /* so many alone, first */
	int64_t pause_ms;	    /* between batches */
	bool confirm;		    /* ask between batches */
	struct share max_failures;  /* hosts that may fail before `on_failure` is done; default 0 */
	enum on_failure on_failure; /* default rollback */
};

struct environment {
	char *name;
	char *prefix_name;    /* `name:`: replaces PROJECT.ENVIRONMENT as prefix; NULL: not said */
	struct strv hosts;    /* patterns */
	struct strv services; /* empty: all */
	struct pairs environment;
	struct rollout_policy rollout;
	int64_t max_age_s;	   /* of an image that runs; 0: not said */
	struct service *overrides; /* those that differ here, as they are here */
	size_t n_overrides;
	struct position pos;
};

/* One mistake. `text` says what is wrong and what was expected; `hint` may name the nearest key. */
struct problem {
	struct position pos;
	char *text;
	char *hint;  /* or NULL */
	char *quote; /* its line as it stands in the file, of a long one the part around the column;
			NULL: there is none, or it is not to be seen */
	size_t quote_at; /* the byte of it that `pos` means */
	bool hidden;	 /* what stands there is nobody's business */
	bool once;	 /* the same text in other places has the same cause */
	bool follows;	 /* internal: an earlier one tells of this place */
};

struct problems {
	struct problem *v;
	size_t n;
	struct problem_file *files; /* internal: what the positions point to */
	size_t n_files;
};

/* Programs on this machine, as words; empty: none. */
struct hooks {
	struct strv before_deploy, after_deploy, on_failure;
};

/* Who is told of deploys and rollbacks: JSON is posted there. */
struct notify {
	char *url; /* as good as a password; NULL: nobody */
	bool start, success, failure;
};

struct inventory {
	char *path; /* of the file, absolute; of several all that were named, with ':' between */
	char *dir;  /* the first one's folder, absolute: relative paths are meant from here */
	char *project;
	struct ssh_settings ssh;
	struct engine_settings engine; /* for hosts; `host.engine` has it merged in */
	struct hooks hooks;
	struct notify notify;
	struct secret *secrets;
	size_t n_secrets;
	char *registry;		/* "HOST:PORT"; NULL: the embedded one */
	enum delivery delivery; /* for hosts; `host.delivery` has it merged in */
	struct host *hosts;
	size_t n_hosts;
	struct environment *environments;
	size_t n_environments;
	struct build_step *steps; /* names are unique, also among services that are built */
	size_t n_steps;
	struct service *services; /* each after those that it depends on, else as in the file */
	size_t n_services;
	struct resource *networks;
	size_t n_networks;
	struct resource *volumes;
	size_t n_volumes;
	struct problems warnings; /* what is odd and no mistake: a variable that is not set */
	struct strv files;	  /* owns what positions point to */
	struct json_t *origins;	  /* NULL, or where each value comes from (docs/json.md): the
				     file's keys again, environments with what they inherit, and a
				     mapping's own place as its member "" */
};

/* What an inventory is read from. */
struct inventory_from {
	const char *const *paths; /* files, folders and programs; later ones go over earlier ones */
	size_t n;
	int cancel_fd;	    /* ends the waiting for a program; -1: none */
	bool ask_anew;	    /* what programs said before is not taken from the cache */
	bool origins;	    /* tell where each value comes from */
	struct pairs *said; /* what they printed, by their paths: to be kept from one load to the
			       next, in which nobody is asked again; NULL */
};

/* Read and validate it. All mistakes are collected, in the order of the files, each once; with
 * any, returns -1 with err of kind ERROR_INVENTORY ("shipit.yml has 3 mistakes") and *ret NULL.
 * A file that cannot be read or a program that fails is one error and no problems. */
int inventory_load(const struct inventory_from *from, struct inventory **ret,
    struct problems *problems, struct error *err);
void inventory_free(struct inventory *inventory);
void problems_release(struct problems *problems);

const struct environment *inventory_environment(const struct inventory *inv, const char *name);
const struct service *inventory_service(const struct inventory *inv, const char *name);
/* `service` as it is in this environment: itself, or what `overrides` make of it. */
const struct service *inventory_service_in(
    const struct environment *env, const struct service *service);
const struct build_step *inventory_step(const struct inventory *inv, const char *name);
/* How a service's image is built: its own build, or that of its step. Its build is set. */
const struct build *inventory_build(const struct inventory *inv, const struct service *service);
const struct secret *inventory_secret(const struct inventory *inv, const char *name);
const struct host *inventory_host(const struct inventory *inv, const char *name);

/* The environment's hosts in the file's order, each once. `ret` is malloc'ed, its elements are
 * borrowed. A pattern that matches nothing was a problem at load already. */
int inventory_hosts_of(const struct inventory *inv, const struct environment *env,
    const struct host ***ret, size_t *ret_n, struct error *err);
/* Does this service run on this host in this environment? */
bool inventory_runs_on(const struct inventory *inv, const struct environment *env,
    const struct service *service, const struct host *host);

/* "shop.prod", or what the environment's `name:` says; malloc'ed, NULL when out of memory. */
char *inventory_prefix(const struct inventory *inv, const struct environment *env);

#endif
