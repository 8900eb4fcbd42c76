#ifndef FLOWSTATE_CONTAINER_END_HPP
#define FLOWSTATE_CONTAINER_END_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>

/// Finds where an array or object ends without reading what is in it, 64 bytes at a time: it counts the brackets outside strings, and for
/// that looks at quotes, backslashes and brackets only. In JSON that is where the container ends; of anything else it finds some place, or
/// none, and reads nothing beyond the end.
///
/// The masks are vectors of the compiler's own (`ext_vector_type`), which become SSE2, NEON or plain instructions: no code is written for
/// a processor. What is made of them is simdjson's way (Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019, §3.1.1).
class ContainerEnd {
public:
    /// The closing bracket of the container whose opening one is at `begin`; `end` when there is none, or when arrays and objects are
    /// nested more than `max_depth` deep, this one counted.
    static const uint8_t *find(const uint8_t *begin, const uint8_t *end, size_t max_depth) {
        ContainerEnd scan(max_depth);
        for (; static_cast<size_t>(end - begin) >= blockSize; begin += blockSize) {
            const size_t place = scan.take(begin);
            if (place != none) return scan.isTooDeep_ ? end : begin + place;
        }
        // What is left of the text, followed by spaces.
        uint8_t rest[blockSize];
        std::memset(rest, ' ', blockSize);
        std::memcpy(rest, begin, static_cast<size_t>(end - begin));
        const size_t place = scan.take(rest);
        return place == none || scan.isTooDeep_ ? end : begin + place;
    }

private:
    static constexpr size_t blockSize = 64;
    static constexpr size_t none = blockSize;

    typedef uint8_t Bytes __attribute__((ext_vector_type(64)));
    typedef bool Flags __attribute__((ext_vector_type(64)));

    /// A bit for each byte of a block, the first the lowest.
    struct Masks {
        uint64_t quotes, backslashes, openings, closings;

        explicit Masks(const uint8_t *block) {
            Bytes bytes;
            std::memcpy(&bytes, block, sizeof bytes);
            quotes = bits(bytes == '"');
            backslashes = bits(bytes == '\\');
            // A square bracket and a brace differ in one bit, and no other byte is a brace with it.
            bytes |= 0x20;
            openings = bits(bytes == '{');
            closings = bits(bytes == '}');
        }

    private:
        template <typename Comparison>
        static uint64_t bits(const Comparison &comparison) {
            const Flags flags = __builtin_convertvector(comparison, Flags);
            uint64_t mask;
            static_assert(sizeof flags == sizeof mask, "a flag is a bit");
            std::memcpy(&mask, &flags, sizeof mask);
            return mask;
        }
    };

    explicit ContainerEnd(size_t max_depth) : maxDepth_(max_depth) {}

    /// Where in this block the container ends, or becomes too deep; `none`: it goes on.
    size_t take(const uint8_t *block) {
        const Masks masks(block);
        const uint64_t strings = areInStrings(masks.quotes & ~areEscaped(masks.backslashes));
        const uint64_t openings = masks.openings & ~strings, closings = masks.closings & ~strings;
        if ((openings | closings) == 0) return none;
        const size_t opened = static_cast<size_t>(__builtin_popcountll(openings));
        const size_t closed = static_cast<size_t>(__builtin_popcountll(closings));
        if (closed < depth_ && opened <= maxDepth_ - depth_) { // in whatever order, neither end is reached
            depth_ += opened - closed;
            return none;
        }
        for (uint64_t left = openings | closings; left != 0; left &= left - 1) {
            const uint64_t place = static_cast<uint64_t>(__builtin_ctzll(left));
            if ((openings >> place & 1) == 0) {
                if (--depth_ == 0) return place;
            } else if (depth_++ == maxDepth_) {
                isTooDeep_ = true;
                return place;
            }
        }
        return none;
    }

    /// The bytes behind a backslash that is not itself behind one: behind an odd number of them.
    uint64_t areEscaped(uint64_t backslashes) {
        if (backslashes == 0) {
            const uint64_t escaped = isNextEscaped_;
            isNextEscaped_ = 0;
            return escaped;
        }
        backslashes &= ~isNextEscaped_;
        const uint64_t following = backslashes << 1 | isNextEscaped_;
        constexpr uint64_t even = 0x5555555555555555;
        const uint64_t oddStarts = backslashes & ~even & ~following;
        // Adding a run of bits to its first one carries to the place behind the run.
        uint64_t evenEnds;
        isNextEscaped_ = __builtin_add_overflow(oddStarts, backslashes, &evenEnds);
        return (even ^ evenEnds << 1) & following;
    }

    /// From each opening quote to the byte before its closing one.
    uint64_t areInStrings(uint64_t quotes) {
        for (unsigned distance = 1; distance < blockSize; distance *= 2) quotes ^= quotes << distance;
        const uint64_t strings = quotes ^ isInString_;
        isInString_ = 0 - (strings >> 63);
        return strings;
    }

    const size_t maxDepth_;
    size_t depth_ = 0;
    bool isTooDeep_ = false;
    /// 1 or 0.
    uint64_t isNextEscaped_ = 0;
    /// All bits or none.
    uint64_t isInString_ = 0;
};

#endif
