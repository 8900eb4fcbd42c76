/* What Swift's Glibc module leaves out: settings of threads. */
#include <pthread.h>
#include <sys/resource.h>

/* Declared by <pthread.h> only under _GNU_SOURCE, which Swift's importer does not set. */
extern int pthread_setname_np(pthread_t thread, const char *name);

/* "The nice value is a per-thread attribute" on Linux (setpriority(2), C library/kernel differences): of the calling thread. */
static inline int clinux_set_niceness(int niceness) { return setpriority(PRIO_PROCESS, 0, niceness); }
