/* Arrays that grow one element at a time. */
#ifndef SHIPIT_INVENTORY_ARRAY_H
#define SHIPIT_INVENTORY_ARRAY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Make room for element `n` (so for n + 1 of them) of `size` bytes in the array that the pointer at
 * `array` leads to. Room doubles at every power of two, so no capacity has to be kept. Returns -1
 * when out of memory, with nothing changed. */
static inline int array_grow(void *array, size_t n, size_t size)
{
	void *old, *grown;

	if ((n & (n - 1)) != 0)
		return 0;
	if (n > SIZE_MAX / 2 / size)
		return -1;
	memcpy(&old, array, sizeof(old));
	grown = realloc(old, (n ? 2 * n : 1) * size);
	if (!grown)
		return -1;
	memcpy(array, &grown, sizeof(grown));
	return 0;
}

#endif
