#include "cmd/ui/terminal.h"

#include <stdatomic.h>
#include <termios.h>

/* For the signal handlers: `is_changed` is set last and cleared first. */
static struct termios normal, changed;
static atomic_int tty_fd = -1;
static atomic_bool is_changed;

void terminal_restore(void)
{
	if (atomic_load(&is_changed))
		tcsetattr(tty_fd, TCSANOW, &normal);
}

void terminal_resume(void)
{
	if (atomic_load(&is_changed))
		tcsetattr(tty_fd, TCSANOW, &changed);
}

bool terminal_change(int fd, enum terminal_mode mode)
{
	if (tcgetattr(fd, &normal) < 0)
		return false;
	changed = normal;
	if (mode == TERMINAL_RAW) {
		cfmakeraw(&changed);
	} else {
		changed.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
		changed.c_lflag |= ECHONL;
	}
	tty_fd = fd;
	atomic_store(&is_changed, true);
	/* What was typed ahead is no password, but may well be for the program. */
	tcsetattr(fd, mode == TERMINAL_RAW ? TCSADRAIN : TCSAFLUSH, &changed);
	return true;
}

void terminal_reset(void)
{
	if (atomic_exchange(&is_changed, false))
		tcsetattr(tty_fd, TCSADRAIN, &normal);
	tty_fd = -1;
}
