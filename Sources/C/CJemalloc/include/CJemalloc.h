/* The process's malloc. */
#include <jemalloc/jemalloc.h>
