#include <CJemalloc.h>

/*
 * "malloc_conf": jemalloc reads this when it is first used; what the variable MALLOC_CONF of the environment has comes on top
 * (jemalloc(3), TUNING).
 *
 * - oversize_threshold: allocations from 256 KiB on are returned to the system when they are freed.
 * - dirty_decay_ms, muzzy_decay_ms: other free pages are returned bit by bit within a second.
 * - background_thread, max_background_threads: by a thread of jemalloc's own, also when the program allocates nothing.
 */
const char *malloc_conf =
    "oversize_threshold:262144,dirty_decay_ms:1000,muzzy_decay_ms:0,background_thread:true,max_background_threads:1";
