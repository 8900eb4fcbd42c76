#ifndef FLOWSTATE_NODE_COUNT_HPP
#define FLOWSTATE_NODE_COUNT_HPP

#include "TextBlock.hpp"

/// Counts the values of a text and the names of its members without reading it, 64 bytes at a time: each of them stands at the beginning,
/// or behind an opening bracket, a comma or a colon outside strings.
class NodeCount {
public:
    /// For JSON: the exact number, plus one for each array or object that holds only white space. For other texts: at least the number of
    /// values before the first fault.
    static size_t of(const uint8_t *begin, const uint8_t *end) {
        StringScan scan;
        uint64_t isBehindOpening = 0;
        size_t count = 1;
        TextBlock::forEach(begin, end, [&](const uint8_t *bytes) {
            const TextBlock block(bytes);
            const uint64_t outside = ~scan.areInStrings(block);
            const uint64_t openings = block.areOpenings() & outside;
            const uint64_t empty = (openings << 1 | isBehindOpening) & block.areClosings();
            isBehindOpening = openings >> 63;
            count += static_cast<size_t>(__builtin_popcountll((openings | block.are(',') | block.are(':')) & outside));
            count -= static_cast<size_t>(__builtin_popcountll(empty));
            return false;
        });
        return count;
    }
};

#endif
