#include "cmd/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "base/attr.h"
#include "cmd/cli.h"
#include "cmd/ui/terminal.h"

static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP};
static const struct cancel *stop;
static _Atomic(signals_fn *) listener;
static _Atomic(void *) listener_context;
static atomic_int count;
static atomic_bool continued;

static void on_stop(int UNUSED signo)
{
	int saved = errno, before = atomic_fetch_add(&count, 1);
	signals_fn *fn = atomic_load(&listener);

	if (before >= 2) {
		terminal_restore();
		_exit(EXIT_INTERRUPTED);
	}
	cancel_fire(stop);
	if (fn != NULL)
		fn(atomic_load(&listener_context));
	errno = saved;
}

static void handle(int signo, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

	sigemptyset(&action.sa_mask);
	sigaction(signo, &action, NULL);
}

/* Stop as everybody does, after putting the terminal right; and take up again from there. */
static void on_suspend(int signo)
{
	int saved = errno;
	sigset_t set;

	terminal_restore();
	sigemptyset(&set);
	sigaddset(&set, signo);
	handle(signo, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	kill(getpid(), signo);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	handle(signo, on_suspend);
	terminal_resume();
	atomic_store(&continued, true);
	errno = saved;
}

void signals_install(const struct cancel *cancel)
{
	struct sigaction old;

	stop = cancel;
	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		/* nohup(1) and a shell's background jobs ask for these to be ignored. */
		if (sigaction(stop_signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			handle(stop_signals[i], on_stop);
	handle(SIGPIPE, SIG_IGN);
	if (sigaction(SIGTSTP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		handle(SIGTSTP, on_suspend);
}

void signals_release(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		handle(stop_signals[i], SIG_DFL);
	handle(SIGTSTP, SIG_DFL);
}

void signals_tell(signals_fn *fn, void *context)
{
	atomic_store(&listener, NULL);
	atomic_store(&listener_context, context);
	atomic_store(&listener, fn);
}

int signals_count(void)
{
	return atomic_load(&count);
}

bool signals_continued(void)
{
	return atomic_exchange(&continued, false);
}

static void mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		sigaddset(&set, stop_signals[i]);
	sigaddset(&set, SIGTSTP);
	pthread_sigmask(how, &set, NULL);
}

void signals_block(void)
{
	mask(SIG_BLOCK);
}

void signals_unblock(void)
{
	mask(SIG_UNBLOCK);
}
