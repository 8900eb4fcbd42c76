#ifndef FLOWSTATE_TEXT_BLOCK_HPP
#define FLOWSTATE_TEXT_BLOCK_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>

/// 64 bytes of a text, and masks that say which of them are of a kind: a bit for each byte, the first one lowest.
///
/// The masks are vectors of the compiler's own (`ext_vector_type`), which become SSE2, NEON or plain instructions: no code is written for a
/// processor. What is computed from them follows simdjson (Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019, §3.1.1).
class TextBlock {
public:
    static constexpr size_t size = 64;

    explicit TextBlock(const uint8_t *begin) { std::memcpy(&bytes_, begin, sizeof bytes_); }

    uint64_t are(uint8_t byte) const { return bits(bytes_ == byte); }

    // A square bracket and a brace differ in one bit, and no other byte is a brace with it.
    uint64_t areOpenings() const { return bits((bytes_ | 0x20) == '{'); }
    uint64_t areClosings() const { return bits((bytes_ | 0x20) == '}'); }

    /// Calls `take(begin)` for each block of a text until it returns true; the last one is filled up with spaces. Nothing is read beyond
    /// the end.
    ///
    /// Returns where in the text the block begins that was taken last.
    template <typename Take>
    static const uint8_t *forEach(const uint8_t *begin, const uint8_t *end, Take take) {
        for (; static_cast<size_t>(end - begin) >= size; begin += size) {
            if (take(begin)) return begin;
        }
        uint8_t rest[size];
        std::memset(rest, ' ', size);
        std::memcpy(rest, begin, static_cast<size_t>(end - begin));
        take(rest);
        return begin;
    }

private:
    typedef uint8_t Bytes __attribute__((ext_vector_type(64)));
    typedef bool Flags __attribute__((ext_vector_type(64)));

    template <typename Comparison>
    static uint64_t bits(const Comparison &comparison) {
        const Flags flags = __builtin_convertvector(comparison, Flags);
        uint64_t mask;
        static_assert(sizeof flags == sizeof mask, "a flag is a bit");
        std::memcpy(&mask, &flags, sizeof mask);
        return mask;
    }

    Bytes bytes_;
};

/// Finds what of a text is in strings, block by block; the first block begins outside a string.
class StringScan {
public:
    /// From each opening quote of the block to the byte before its closing one.
    uint64_t areInStrings(const TextBlock &block) {
        uint64_t strings = block.are('"') & ~areEscaped(block.are('\\'));
        for (unsigned distance = 1; distance < TextBlock::size; distance *= 2) strings ^= strings << distance;
        strings ^= isInString_;
        isInString_ = 0 - (strings >> 63);
        return strings;
    }

private:
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

    /// 1 or 0.
    uint64_t isNextEscaped_ = 0;
    /// All bits or none.
    uint64_t isInString_ = 0;
};

#endif
