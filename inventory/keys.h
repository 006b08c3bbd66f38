/* The readers of the sections of shipit.yml, each beside its table. */
#ifndef SHIPIT_INVENTORY_KEYS_H
#define SHIPIT_INVENTORY_KEYS_H

#include <jansson.h>

#include "inventory/schema.h"
#include "inventory/values.h"

extern const struct key_table top_table, ssh_table, engine_table;
extern const struct key_table network_table, named_volume_table, service_network_table, ipam_table,
    pool_table;
extern const struct key_table host_table, environment_table, service_table, build_table;
extern const struct key_table run_table, build_secret_table;
extern const struct key_table env_file_table, port_table, volume_table, device_table;
extern const struct key_table bind_table, volume_options_table, tmpfs_table;
extern const struct key_table healthcheck_table, ready_table;
extern const struct key_table http_probe_table, tcp_probe_table, exec_probe_table;
extern const struct key_table dependency_table, before_table, hooks_table, rollout_table,
    notify_table;
extern const struct key_table compose_table, limit_table, logging_table;
extern const struct key_table blkio_table, rate_table, weight_table;
extern const struct key_table deploy_table, resources_table, limits_table, reservations_table,
    gpu_table;
extern const struct key_table secret_table, secret_file_table, secret_reference_table;

read_fn read_engine;	       /* struct engine_settings */
read_fn read_delivery;	       /* enum delivery */
read_fn read_hosts;	       /* struct inventory */
read_fn read_environments;     /* struct inventory */
read_fn read_services;	       /* struct inventory */
read_fn read_build;	       /* struct build of a service */
read_fn read_builds;	       /* struct inventory: the steps that belong to no service */
read_fn read_run;	       /* struct step_run */
read_fn read_build_secrets;    /* struct build; read after the secrets */
read_fn read_env_files;	       /* struct pairs */
read_fn read_ports;	       /* struct service */
read_fn read_volumes;	       /* struct service */
read_fn read_secrets;	       /* struct inventory */
read_fn read_secret_files;     /* struct service; read after the secrets */
read_fn read_networks;	       /* struct inventory */
read_fn read_named_volumes;    /* struct inventory */
read_fn read_service_networks; /* struct service; read after the networks */
read_fn read_devices;	       /* struct strv */
read_fn read_healthcheck;      /* struct healthcheck */
read_fn read_ready;	       /* struct ready */
read_fn read_depends_on;       /* struct service */
read_fn read_notify;	       /* struct notify */
read_fn read_host_patterns;    /* struct strv; read after the hosts, and checked against them */

/* json_t *, `settings` of a service or a build: a member of it; `arg` is the member's name. */
read_fn setting_text, setting_flag, setting_choice, setting_number, setting_oom_score, setting_size,
    setting_cpus, setting_list, setting_hosts, setting_paths, setting_pairs, setting_limits,
    setting_logging, setting_network_mode, setting_us, setting_cgroup, setting_mac, setting_rules,
    setting_expose, setting_gpus;
read_fn read_size;   /* int64_t, bytes */
read_fn read_deploy; /* json_t *, `settings` of a service: several members */

/* `*settings` is NULL while there are none. */
int settings_set(json_t **settings, const char *key, json_t *value);
/* The same of a list; an empty one says nothing. Takes no reference. */
int settings_set_list(json_t **settings, const char *key, json_t *array);
/* Takes their memory; NULL: there is none left. */
json_t *pairs_object(struct pairs *pairs);
/* 02:42:ac:11:00:02 */
bool is_ip_address(const char *text);

extern const struct pairs_rule environment_rule, labels_rule;

enum {
	MAX_HOSTS = 32 * 1024,
	MAX_SERVICES = 1000,
	MAX_ENVIRONMENTS = 1000,
	MAX_STEPS = 200,
	MAX_PORTS = 200 * 1000, /* published, all services together */
};

/* [A-Za-z0-9][A-Za-z0-9_-]*: what a network or volume may be called in the file. Dots are out,
 * since PREFIX.KEY must not collide with another prefix's names. */
bool is_resource_key(const char *text);

/* A host to log in to as USER@HOST:PORT, each but HOST optional. */
struct address {
	char *user, *host;
	int port;
};

/* Forms: HOST, USER@HOST:PORT, [::1]:22, ::1, ssh://USER@HOST:PORT. Returns NULL, or what is wrong
 * with it; *ret is to be released in any case. Out of memory leaves host NULL and returns NULL. */
const char *address_parse(const char *text, struct address *ret);
void address_release(struct address *address);
/* Nothing that ssh could take for an option, and no white space or control characters. */
bool is_host_name(const char *text);
bool is_user_name(const char *text);

/* Append to `names` what a host's key stands for: itself, or one for each number of its ranges,
 * `[01:12]` or `[01:12:3]`. Returns NULL, or what is wrong; *ret_no_memory: out of memory. */
const char *expand_ranges(const char *key, struct strv *names, bool *ret_no_memory);

/* Append what one entry of `services` says. */
int add_service(struct reader *r, const struct entry *entry, struct service **services, size_t *n);

/* `KEY: {secret: NAME}`, of a map of variables; read after the secrets. */
int read_secret_pair(
    struct reader *r, const struct node *value, const char *key, struct pairs *pairs);

/* None of them may come to lie in a volume: what is in one stays. */
int check_secret_files(struct reader *r, const struct service *service);

/* What does not go with `network_mode`; `node` is the service's. */
int check_network_mode(struct reader *r, const struct node *node, const struct service *service);

/* In a network, which two containers cannot have at a time. */
bool has_fixed_address(const struct service *service);

/* Read all of it. -1: out of memory, or there are mistakes, which the error counts. */
int load_texts(
    struct reader *r, const struct source_texts *from, struct inventory **ret, struct error *err);

/* What only the whole file shows. */
int check_inventory(struct reader *r);
int check_depends_on(struct reader *r); /* and put the services in order */
int check_steps(struct reader *r);

/* Read the mapping of a step's name to what it is. */
int read_step(struct reader *r, const struct node *map, struct build_step *step);
/* Append the steps of a mapping to the inventory's; *ret_last: the name of the last, or NULL. */
int read_steps(struct reader *r, const struct node *value, const char **ret_last);
int add_need(struct build *build, const struct position *pos, const char *name);

void host_release(struct host *host);
void build_release(struct build *build);
void step_release(struct build_step *step);
void service_release(struct service *service);
void volume_release(struct volume *volume);
void ready_release(struct ready *ready);
void secret_release(struct secret *secret);
void environment_release(struct environment *environment);

#endif
