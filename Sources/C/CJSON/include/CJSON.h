/// A small C face over RapidJSON. Nothing is thrown across it, nothing is kept between calls, every function may be called from any
/// thread, and no function recurses: memory on the C stack does not depend on the input.
#ifndef FLOWSTATE_CJSON_H
#define FLOWSTATE_CJSON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Why a text is not JSON. `CJSON_OK` is zero.
typedef enum cjson_code {
    CJSON_OK = 0,
    CJSON_EMPTY,
    CJSON_TRAILING_CONTENT,
    CJSON_INVALID_VALUE,
    CJSON_MISSING_NAME,
    CJSON_MISSING_COLON,
    CJSON_MISSING_COMMA_IN_OBJECT,
    CJSON_MISSING_COMMA_IN_ARRAY,
    CJSON_INVALID_ESCAPE,
    CJSON_CONTROL_CHARACTER,
    CJSON_INVALID_UTF8,
    CJSON_INVALID_NUMBER,
    CJSON_TRUNCATED,
    CJSON_TOO_DEEP,
    CJSON_OUT_OF_MEMORY,
} cjson_code;

/// Where and why a text was refused.
typedef struct cjson_error {
    cjson_code code;
    /// Bytes from the start of the text.
    size_t offset;
    /// From 1; lines end with LF.
    size_t line;
    /// From 1, counted in code points of UTF-8.
    size_t column;
    /// Static, never NULL, ends with NUL.
    const char *message;
} cjson_error;

/// Whether `bytes[0..<length]` is one JSON text by RFC 8259, nested no deeper than `max_depth` arrays and objects.
///
/// Accepted because the grammar accepts it: numbers of any size, escapes of single surrogates (RFC 8259 §8.2: "the ABNF in this
/// specification allows member names and string values to contain bit sequences that cannot encode Unicode characters; for example,
/// "\uDEAD""), any value at the root, repeated member names. Refused: invalid UTF-8 (§8.1), a byte order mark (§8.1), NaN and
/// Infinity (§6), comments, trailing commas, anything after the value.
///
/// `bytes` may be NULL when `length` is 0; `error` may be NULL. Returns 1 for JSON, else 0 with `error` filled.
int cjson_validate(const uint8_t *bytes, size_t length, size_t max_depth, cjson_error *error);

/// What a node of a parsed text is.
typedef enum cjson_kind {
    CJSON_NULL = 0,
    CJSON_FALSE,
    CJSON_TRUE,
    CJSON_NUMBER,
    CJSON_STRING,
    CJSON_ARRAY,
    CJSON_OBJECT,
} cjson_kind;

/// A flag beside the kind of an array or object whose content was not read: `cjson_parse_shallow`.
#define CJSON_OPAQUE 0x80u

/// One value, or the name of a member: `bytes[begin..<end]` of the text, quotes and brackets included. The content of an array or object
/// follows it directly, in an object each name before its value; `next` is the node after all of that.
typedef struct cjson_node {
    /// The lowest seven bits are a `cjson_kind`, the next is `CJSON_OPAQUE`, the others are the height: how deep arrays and objects are
    /// nested from here on, this one counted, so 0 for other values. Kept together since a large text has millions of nodes.
    uint32_t kind_and_height;
    uint32_t begin;
    uint32_t end;
    uint32_t next;
} cjson_node;

/// How many nodes a text has at most: as many as `cjson_parse` makes of it, and one more for each array or object that has nothing but
/// white space in it. Looks at 64 bytes at a time, so it takes a small part of the time of parsing.
size_t cjson_count(const uint8_t *bytes, size_t length);

/// Parses what `cjson_validate` accepts, into `nodes[0..<room]`. The nodes stand in the order of the text; the first is the root.
///
/// Returns 1 with `*count` nodes; or 0 with `error` filled. If the room was too small, `*count` is then more than `room`; a room of
/// `cjson_count` is enough for every text. A text of 4 GiB or more is refused as CJSON_OUT_OF_MEMORY. Here `max_depth` is at most 2^24-1.
int cjson_parse(
    const uint8_t *bytes, size_t length, size_t max_depth, cjson_node *nodes, size_t room, size_t *count, cjson_error *error);

/// Parses only the root and what is directly in it, several times as fast: of an array or object in the root that is not empty it only
/// finds the end. Such a node has CJSON_OPAQUE, the height 1, and no nodes for its content; it can be parsed as a text of its own.
///
/// Accepts all that `cjson_parse` accepts. In what it passes over it looks at quotes, backslashes and brackets only: outside strings, as
/// many brackets must close as open, of whatever kinds, no deeper than `max_depth`; anything else passes. Returns 0 for a text that it does
/// not accept, or when out of memory (`cjson_parse` says why), or when the room is too small, as above. `*skipped` is at least the number
/// of nodes that parsing everything that was passed over would make.
int cjson_parse_shallow(
    const uint8_t *bytes, size_t length, size_t max_depth, cjson_node *nodes, size_t room, size_t *count, size_t *skipped);

#ifdef __cplusplus
}
#endif

#endif
