/// A small C face over RE2. Nothing is thrown across it. Searches take time proportional to the text, whatever pattern and text are.
#ifndef FLOWSTATE_CRE2_H
#define FLOWSTATE_CRE2_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A regular expression, compiled. It never changes as far as its users see ("An "RE2" object is safe for concurrent use by multiple
/// threads", re2.h): any number of threads may search with it at once.
typedef struct cre2_pattern cre2_pattern;

/// Compiles `pattern[0..<length]`, which may be empty (and NULL then): UTF-8, in RE2's syntax. The compiled program, and what searches
/// cache, take about `max_memory` bytes at most (RE2's `max_mem`); a pattern for which that is not enough is refused.
///
/// Returns a pattern, which `cre2_free` frees; or NULL with the reason in `message`, in UTF-8 as far as the pattern is, ending with NUL,
/// cut short where `capacity` (at least 1) ends.
cre2_pattern *cre2_compile(const uint8_t *pattern, size_t length, size_t max_memory, char *message, size_t capacity);

/// NULL is allowed. Call it only when every search with it has ended.
void cre2_free(cre2_pattern *pattern);

/// The number of instructions of the compiled program. A search may take so many steps for each byte of a text.
size_t cre2_instructions(const cre2_pattern *pattern);

/// Whether the pattern matches somewhere in `text[0..<length]`, which may be empty (and NULL then), hold NUL, and should be UTF-8. 1 or 0;
/// -1 when out of memory.
int cre2_search(const cre2_pattern *pattern, const uint8_t *text, size_t length);

#ifdef __cplusplus
}
#endif

#endif
