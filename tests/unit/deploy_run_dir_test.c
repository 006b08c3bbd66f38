/* The private folder of sockets: made, removed, and what others left cleared away with care. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "deploy/run_dir.h"
#include "tests/unit/deploy_check.h"

static char base[] = "/tmp/shipit-base-XXXXXX";

static char *below(const char *name)
{
	return string_printf("%s/%s", base, name);
}

static void make_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* A folder with a socket one level down. */
static char *make_folder(const char *name, mode_t mode)
{
	char *path = below(name);
	CLEANUP_FREE char *inner = string_printf("%s/0", path);
	CLEANUP_FREE char *socket = string_printf("%s/f1", inner);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mkdir(inner, 0700), 0);
	make_socket(socket);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static int fresh(void **state UNUSED)
{
	return mkdtemp(base) == NULL ? -1 : setenv("XDG_RUNTIME_DIR", base, 1);
}

static int away(void **state UNUSED)
{
	CLEANUP_FREE char *command = string_printf("rm -rf '%s'", base);

	return system(command);
}

static void it_comes_and_goes(void **state UNUSED)
{
	struct run_dir dir = {.lock = -1};
	CLEANUP_FREE char *socket = NULL;
	char path[RUN_DIR_SIZE];
	struct stat st;

	assert_int_equal(run_dir_make(&dir, NULL), 0);
	assert_int_equal(strncmp(dir.path, base, strlen(base)), 0);
	assert_int_equal(stat(dir.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	memcpy(path, dir.path, sizeof(path));
	socket = string_printf("%s/sock", path);
	make_socket(socket);
	run_dir_remove(&dir);
	assert_int_equal(access(path, F_OK), -1);
	run_dir_remove(&dir);
}

static void each_has_its_own(void **state UNUSED)
{
	struct run_dir one = {.lock = -1}, two = {.lock = -1};

	assert_int_equal(run_dir_make(&one, NULL), 0);
	assert_int_equal(run_dir_make(&two, NULL), 0);
	assert_string_not_equal(one.path, two.path);
	assert_int_equal(access(one.path, F_OK), 0); /* it is locked: its owner lives */
	run_dir_remove(&one);
	run_dir_remove(&two);
}

/* What a killed program left goes; what only has such a name stays, whatever it is. */
static void left_overs_go_and_nothing_else(void **state UNUSED)
{
	struct run_dir dir = {.lock = -1};
	char *gone = make_folder("shipit-killed", 0700), *stays[7];
	CLEANUP_FREE char *file = below("shipit-backup/notes");
	CLEANUP_FREE char *deep = below("shipit-deeper/0/notes");
	CLEANUP_FREE char *link = below("shipit-linked");
	int lock;

	stays[0] = make_folder("shipit-backup", 0700);
	make_file(file);
	stays[1] = make_folder("shipit-deeper", 0700);
	make_file(deep);
	stays[2] = make_folder("shipit-public", 0755);
	stays[3] = make_folder("shipit-longer-name", 0700);
	stays[4] = make_folder("other", 0700);
	stays[5] = make_folder("shipit-locked", 0700);
	lock = open(stays[5], O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(symlink(stays[4], link), 0);
	stays[6] = link;
	assert_int_equal(run_dir_make(&dir, NULL), 0);
	assert_int_equal(access(gone, F_OK), -1);
	for (size_t i = 0; i < ARRAY_SIZE(stays); i++)
		assert_int_equal(access(stays[i], F_OK), 0);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(access(deep, F_OK), 0);
	run_dir_remove(&dir);
	close(lock);
	free(gone);
	for (size_t i = 0; i < ARRAY_SIZE(stays) - 1; i++)
		free(stays[i]);
}

/* What it removes of its own it removes by name: a link in it leads nowhere. */
static void links_are_not_followed(void **state UNUSED)
{
	struct run_dir dir = {.lock = -1};
	CLEANUP_FREE char *precious = below("precious");
	CLEANUP_FREE char *file = below("precious/file");
	CLEANUP_FREE char *link = NULL;

	assert_int_equal(mkdir(precious, 0700), 0);
	make_file(file);
	assert_int_equal(run_dir_make(&dir, NULL), 0);
	link = string_printf("%s/link", dir.path);
	assert_int_equal(symlink(precious, link), 0);
	run_dir_remove(&dir);
	assert_int_equal(access(file, F_OK), 0);
}

static void a_bad_runtime_folder_is_done_without(void **state UNUSED)
{
	static const char *const bad[] = {"", "relative", "/no/such/folder",
	    "/tmp/a-path-that-leaves-no-room-for-the-names-of-sockets-below-it-is-of-no-use"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct run_dir dir = {.lock = -1};

		setenv("XDG_RUNTIME_DIR", bad[i], 1);
		assert_int_equal(run_dir_make(&dir, NULL), 0);
		assert_int_equal(strncmp(dir.path, "/tmp/", 5), 0);
		run_dir_remove(&dir);
	}
	setenv("XDG_RUNTIME_DIR", base, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_comes_and_goes),
	    cmocka_unit_test(each_has_its_own),
	    cmocka_unit_test(left_overs_go_and_nothing_else),
	    cmocka_unit_test(links_are_not_followed),
	    cmocka_unit_test(a_bad_runtime_folder_is_done_without),
	};

	return cmocka_run_group_tests(tests, fresh, away);
}
