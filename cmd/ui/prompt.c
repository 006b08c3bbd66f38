/* Questions to a person: passphrases and the like. On /dev/tty, because stdin and stdout may be
 * anything; one at a time, because several sessions may want to ask at once. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/proc.h"
#include "cmd/ui/color.h"
#include "cmd/ui/terminal.h"
#include "cmd/ui/ui.h"

enum { ANSWER_MAX = 4096 };

/* Wait for something to read; false: the user wants to stop. */
static bool wait_input(int fd, int cancel_fd)
{
	struct pollfd slots[] = {{.fd = fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};

	for (;;) {
		int n = poll(slots, cancel_fd >= 0 ? 2 : 1, -1);

		if (n < 0 && errno != EINTR)
			return false;
		if (cancel_fd_fired(cancel_fd))
			return false;
		if (n > 0)
			return true;
	}
}

/* One line, without its end; false: the user wants to stop, or there is nobody. */
static bool read_line(int fd, int cancel_fd, char answer[ANSWER_MAX])
{
	size_t len = 0;

	while (len + 1 < ANSWER_MAX && wait_input(fd, cancel_fd)) {
		ssize_t n = read(fd, answer + len, 1);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return false;
		if (answer[len] == '\n') {
			answer[len] = '\0';
			return true;
		}
		len++;
	}
	return false;
}

static char *ask(struct ui *ui, int fd, const char *host, const char *text, bool echo)
{
	char answer[ANSWER_MAX]; /* on the stack: growing memory would leave copies behind */
	CLEANUP_FREE char *question = text_cleaned(text);
	size_t len = question != NULL ? strlen(question) : 0;
	bool spaced = len > 0 && question[len - 1] == ' ';
	CLEANUP_FREE char *line = string_printf("%s%s%s%s", host != NULL ? host : "",
	    host != NULL ? ": " : "", question != NULL ? question : "", spaced ? "" : " ");
	char *ret = NULL;

	if (line == NULL || fd_write_all(fd, line, strlen(line)) < 0)
		return NULL;
	if (!echo)
		terminal_change(fd, TERMINAL_SILENT);
	if (read_line(fd, ui->options.cancel_fd, answer))
		ret = strdup(answer);
	else
		fd_write_all(fd, "\n", 1);
	terminal_reset();
	OPENSSL_cleanse(answer, sizeof(answer));
	return ret;
}

static void keep_off(struct ui *ui, bool on)
{
	pthread_mutex_lock(&ui->lock);
	if (ui->ops->pause != NULL)
		ui->ops->pause(ui, on);
	pthread_mutex_unlock(&ui->lock);
}

char *ui_prompt(void *context, const char *host, const char *text, bool echo)
{
	struct ui *ui = context;
	CLEANUP_CLOSE int fd = -1;
	char *answer = NULL;

	if (cancel_fd_fired(ui->options.cancel_fd))
		return NULL;
	pthread_mutex_lock(&ui->prompt_lock);
	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0 && !cancel_fd_fired(ui->options.cancel_fd)) {
		keep_off(ui, true);
		answer = ask(ui, fd, host, text, echo);
		keep_off(ui, false);
	}
	pthread_mutex_unlock(&ui->prompt_lock);
	return answer;
}
