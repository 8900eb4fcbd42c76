#include "CRE2.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

struct cre2_pattern {
    cre2_pattern(const re2::StringPiece &text, const re2::RE2::Options &options) : expression(text, options) {}

    const re2::RE2 expression;
};

namespace {

re2::StringPiece piece(const uint8_t *bytes, size_t length) {
    return bytes == nullptr ? re2::StringPiece("", 0) : re2::StringPiece(reinterpret_cast<const char *>(bytes), length);
}

void say(const std::string &text, char *message, size_t capacity) {
    const size_t length = std::min(text.size(), capacity - 1);
    std::memcpy(message, text.data(), length);
    message[length] = '\0';
}

} // namespace

cre2_pattern *cre2_compile(const uint8_t *pattern, size_t length, size_t max_memory, char *message, size_t capacity) {
    try {
        re2::RE2::Options options;
        options.set_log_errors(false);
        options.set_never_capture(true); // searches ask whether, not where
        // RE2 takes two thirds of it for searches forwards, and zero for no limit.
        options.set_max_mem(static_cast<int64_t>(std::clamp<size_t>(max_memory, 2, INT64_MAX / 2)));
        auto compiled = std::make_unique<cre2_pattern>(piece(pattern, length), options);
        if (compiled->expression.ok()) return compiled.release();
        say(compiled->expression.error(), message, capacity);
    } catch (...) { // the allocator is the only thing here that could throw
        message[0] = '\0';
        std::strncat(message, "out of memory", capacity - 1);
    }
    return nullptr;
}

void cre2_free(cre2_pattern *pattern) { delete pattern; }

size_t cre2_instructions(const cre2_pattern *pattern) {
    return static_cast<size_t>(std::max(pattern->expression.ProgramSize(), 1));
}

int cre2_search(const cre2_pattern *pattern, const uint8_t *text, size_t length) {
    try {
        return pattern->expression.Match(piece(text, length), 0, length, re2::RE2::UNANCHORED, nullptr, 0);
    } catch (...) { // as above
        return -1;
    }
}
