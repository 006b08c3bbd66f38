/* Compiler attributes and cleanup helpers that every room uses. */
#ifndef SHIPIT_BASE_ATTR_H
#define SHIPIT_BASE_ATTR_H

#include <stdlib.h>
#include <unistd.h>

#define PRINTF_LIKE(fmt_arg, first) __attribute__((__format__(printf, fmt_arg, first)))
#define UNUSED			    __attribute__((unused))
#define ARRAY_SIZE(a)		    (sizeof(a) / sizeof((a)[0]))

/* Variables that free themselves at the end of their scope:
 *   CLEANUP_FREE char *name = NULL;  CLEANUP_CLOSE int fd = -1;
 * What is to survive is taken out with steal_ptr() or steal_fd(). */
static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define CLEANUP_FREE  __attribute__((cleanup(cleanup_free)))
#define CLEANUP_CLOSE __attribute__((cleanup(cleanup_close)))

#define steal_ptr(p)                                                                               \
	__extension__({                                                                            \
		__typeof__(p) stolen_ = (p);                                                       \
		(p) = NULL;                                                                        \
		stolen_;                                                                           \
	})

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#endif
