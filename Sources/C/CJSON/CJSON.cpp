#include "CJSON.h"

#include "GrammarStream.hpp"
#include "NodeCount.hpp"
#include "ShallowStream.hpp"

#include <rapidjson/reader.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace {

using Allocator = rapidjson::MemoryPoolAllocator<>;
using Reader = rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>, Allocator>;

/// Stops the reader at the first container that is nested too deeply; looks at nothing else.
class DepthHandler : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, DepthHandler> {
public:
    explicit DepthHandler(size_t maxDepth) : left_(maxDepth) {}

    bool RawNumber(const char *, rapidjson::SizeType, bool) { return true; }
    bool StartObject() { return enter(); }
    bool StartArray() { return enter(); }
    bool EndObject(rapidjson::SizeType) { return leave(); }
    bool EndArray(rapidjson::SizeType) { return leave(); }

private:
    bool enter() {
        if (left_ == 0) return false;
        --left_;
        return true;
    }
    bool leave() {
        ++left_;
        return true;
    }

    size_t left_;
};

/// Keeps a node for each value. The reader calls the handler for a bracket before it takes the bracket, and for every other token after it
/// has taken the token: such a token begins after the one before it and white space, a comma or a colon.
class NodeHandler : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, NodeHandler> {
public:
    NodeHandler(const uint8_t *bytes, const GrammarStream &stream, size_t maxDepth, cjson_node *nodes, size_t room)
        : bytes_(bytes), stream_(stream), maxDepth_(maxDepth), nodes_(nodes), room_(room) {}

    /// The largest height that a node has room for.
    static constexpr size_t maxHeight = (1u << 24) - 1;

    bool Null() { return leaf(CJSON_NULL); }
    bool Bool(bool value) { return leaf(value ? CJSON_TRUE : CJSON_FALSE); }
    bool RawNumber(const char *, rapidjson::SizeType, bool) { return leaf(CJSON_NUMBER); }
    bool String(const char *, rapidjson::SizeType, bool) { return leaf(CJSON_STRING); }
    bool Key(const char *, rapidjson::SizeType, bool) { return leaf(CJSON_STRING); }
    bool StartObject() { return open(CJSON_OBJECT); }
    bool StartArray() { return open(CJSON_ARRAY); }
    bool EndObject(rapidjson::SizeType) { return close(); }
    bool EndArray(rapidjson::SizeType) { return close(); }

    size_t count() const { return count_; }

    /// There was no room for another node: the reader was stopped.
    bool isFull() const { return isFull_; }

private:
    static constexpr unsigned kindBits = 8;

    bool add(const cjson_node &node) {
        isFull_ = count_ == room_;
        if (!isFull_) nodes_[count_++] = node;
        return !isFull_;
    }

    static bool isSpace(uint8_t byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

    uint32_t place() const { return static_cast<uint32_t>(stream_.Tell()); }

    bool leaf(cjson_kind kind) {
        uint32_t begin = end_;
        while (isSpace(bytes_[begin]) || bytes_[begin] == ',' || bytes_[begin] == ':') ++begin;
        end_ = place();
        return add(cjson_node{kind, begin, end_, static_cast<uint32_t>(count_ + 1)});
    }

    bool open(cjson_kind kind) {
        if (open_.size() == maxDepth_) return false;
        open_.push_back(static_cast<uint32_t>(count_));
        const uint32_t begin = place();
        end_ = begin + 1;
        return add(cjson_node{kind, begin, end_, 0});
    }

    bool close() {
        cjson_node &node = nodes_[open_.back()];
        open_.pop_back();
        // Between the last token and the bracket only white space can stand, or what the stream has passed over.
        while (isSpace(bytes_[end_])) ++end_;
        if (end_ != place()) node.kind_and_height |= CJSON_OPAQUE;
        end_ = place() + 1;
        node.end = end_;
        node.next = static_cast<uint32_t>(count_);
        node.kind_and_height += 1u << kindBits;
        if (!open_.empty()) raise(nodes_[open_.back()], node.kind_and_height >> kindBits);
        return true;
    }

    /// Raises an open container's height to that of a container in it.
    static void raise(cjson_node &node, uint32_t height) {
        if (node.kind_and_height >> kindBits < height) {
            node.kind_and_height = (node.kind_and_height & ((1u << kindBits) - 1)) | height << kindBits;
        }
    }

    const uint8_t *bytes_;
    const GrammarStream &stream_;
    const size_t maxDepth_;
    cjson_node *const nodes_;
    const size_t room_;
    size_t count_ = 0;
    bool isFull_ = false;
    std::vector<uint32_t> open_;
    uint32_t end_ = 0;
};

cjson_code codeOf(rapidjson::ParseErrorCode code, const uint8_t *bytes, size_t length, size_t offset) {
    switch (code) {
    case rapidjson::kParseErrorNone: return CJSON_OK;
    case rapidjson::kParseErrorDocumentEmpty: return offset < length ? CJSON_INVALID_VALUE : CJSON_EMPTY;
    case rapidjson::kParseErrorTermination: return CJSON_TOO_DEEP;
    default: break;
    }
    // A reader that ran out of input reports what it missed; the sender needs to know that the text was cut short.
    if (offset >= length) return CJSON_TRUNCATED;
    switch (code) {
    case rapidjson::kParseErrorDocumentRootNotSingular: return CJSON_TRAILING_CONTENT;
    case rapidjson::kParseErrorObjectMissName: return CJSON_MISSING_NAME;
    case rapidjson::kParseErrorObjectMissColon: return CJSON_MISSING_COLON;
    case rapidjson::kParseErrorObjectMissCommaOrCurlyBracket: return CJSON_MISSING_COMMA_IN_OBJECT;
    case rapidjson::kParseErrorArrayMissCommaOrSquareBracket: return CJSON_MISSING_COMMA_IN_ARRAY;
    case rapidjson::kParseErrorStringUnicodeEscapeInvalidHex:
    case rapidjson::kParseErrorStringUnicodeSurrogateInvalid: return CJSON_INVALID_ESCAPE;
    case rapidjson::kParseErrorStringMissQuotationMark: return CJSON_CONTROL_CHARACTER; // a NUL inside the text
    // One code of RapidJSON's for two faults: an unknown escape (its offset is the backslash) and a raw control character.
    case rapidjson::kParseErrorStringEscapeInvalid: return bytes[offset] < 0x20 ? CJSON_CONTROL_CHARACTER : CJSON_INVALID_ESCAPE;
    case rapidjson::kParseErrorStringInvalidEncoding: return CJSON_INVALID_UTF8;
    case rapidjson::kParseErrorNumberTooBig:
    case rapidjson::kParseErrorNumberMissFraction:
    case rapidjson::kParseErrorNumberMissExponent: return CJSON_INVALID_NUMBER;
    default: return CJSON_INVALID_VALUE;
    }
}

const char *messageOf(cjson_code code) {
    switch (code) {
    case CJSON_OK: return "valid";
    case CJSON_EMPTY: return "the text is empty";
    case CJSON_TRAILING_CONTENT: return "there is something after the value";
    case CJSON_INVALID_VALUE: return "expected a value";
    case CJSON_MISSING_NAME: return "expected a member name in double quotes";
    case CJSON_MISSING_COLON: return "expected ':' after the member name";
    case CJSON_MISSING_COMMA_IN_OBJECT: return "expected ',' or '}'";
    case CJSON_MISSING_COMMA_IN_ARRAY: return "expected ',' or ']'";
    case CJSON_INVALID_ESCAPE: return "invalid escape in a string";
    case CJSON_CONTROL_CHARACTER: return "a control character in a string must be escaped";
    case CJSON_INVALID_UTF8: return "invalid UTF-8 in a string";
    case CJSON_INVALID_NUMBER: return "a number lacks digits";
    case CJSON_TRUNCATED: return "the text ends too early";
    case CJSON_TOO_DEEP: return "arrays and objects are nested too deeply";
    case CJSON_OUT_OF_MEMORY: return "out of memory";
    }
    return "invalid";
}

void fill(cjson_error *error, cjson_code code, const uint8_t *bytes, size_t offset) {
    if (error == nullptr) return;
    if (code == CJSON_OK) { // a position costs a walk over the text: only an error has one
        *error = cjson_error{CJSON_OK, 0, 1, 1, messageOf(CJSON_OK)};
        return;
    }
    size_t line = 1, column = 1;
    for (size_t i = 0; i < offset; ++i) {
        if (bytes[i] == '\n') {
            ++line;
            column = 1;
        } else if ((bytes[i] & 0xC0) != 0x80) { // a continuation byte starts no character
            ++column;
        }
    }
    *error = cjson_error{code, offset, line, column, messageOf(code)};
}

constexpr uint8_t nothing = 0;

/// Reads the whole text. When the handler stops the reader, the error is that the text is nested too deeply.
template <typename Stream, typename Handler>
int read(const uint8_t *bytes, size_t length, Stream &stream, Handler &handler, cjson_error *error) {
    // The reader's stack holds eight bytes for each open container: usual texts stay inside this buffer.
    alignas(8) char buffer[4096];
    Allocator allocator(buffer, sizeof buffer);
    Reader reader(&allocator, 1024);
    constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag
        | rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseInsituFlag;
    const rapidjson::ParseResult result = reader.Parse<flags>(stream, handler);
    cjson_code code = CJSON_OK;
    size_t offset = stream.Tell();
    if (result.IsError()) {
        offset = result.Offset() < length ? result.Offset() : length;
        code = codeOf(result.Code(), bytes, length, offset);
    } else if (offset != length) { // the reader took a NUL in the text for its end
        code = CJSON_TRAILING_CONTENT;
    }
    fill(error, code, bytes, offset);
    return code == CJSON_OK;
}

/// Parses what the stream shows into nodes.
template <typename Stream>
int parse(
    const uint8_t *bytes, size_t length, Stream &stream, size_t max_depth, cjson_node *nodes, size_t room, size_t *count,
    cjson_error *error) {
    *count = 0;
    try {
        if (length >= UINT32_MAX) throw std::bad_alloc();
        NodeHandler handler(bytes, stream, max_depth, nodes, room);
        const int isRead = read(bytes, length, stream, handler, error);
        *count = handler.isFull() ? room + 1 : handler.count();
        return isRead;
    } catch (...) { // the allocator is the only thing here that could throw
        fill(error, CJSON_OUT_OF_MEMORY, bytes, 0);
        return 0;
    }
}

} // namespace

int cjson_validate(const uint8_t *bytes, size_t length, size_t max_depth, cjson_error *error) {
    if (bytes == nullptr) bytes = &nothing, length = 0;
    try {
        GrammarStream stream(bytes, length);
        DepthHandler handler(max_depth);
        return read(bytes, length, stream, handler, error);
    } catch (...) { // as above
        fill(error, CJSON_OUT_OF_MEMORY, bytes, 0);
        return 0;
    }
}

size_t cjson_count(const uint8_t *bytes, size_t length) { return bytes == nullptr ? 1 : NodeCount::of(bytes, bytes + length); }

int cjson_parse(
    const uint8_t *bytes, size_t length, size_t max_depth, cjson_node *nodes, size_t room, size_t *count, cjson_error *error) {
    if (bytes == nullptr) bytes = &nothing, length = 0;
    GrammarStream stream(bytes, length);
    return parse(bytes, length, stream, std::min(max_depth, NodeHandler::maxHeight), nodes, room, count, error);
}

int cjson_parse_shallow(
    const uint8_t *bytes, size_t length, size_t max_depth, cjson_node *nodes, size_t room, size_t *count, size_t *skipped) {
    if (bytes == nullptr) bytes = &nothing, length = 0;
    max_depth = std::min(max_depth, NodeHandler::maxHeight);
    ShallowStream stream(bytes, length, max_depth);
    const int is_parsed = parse(bytes, length, stream, max_depth, nodes, room, count, nullptr);
    *skipped = stream.skipped();
    return is_parsed;
}
