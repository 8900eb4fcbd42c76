#ifndef FLOWSTATE_CONTAINER_END_HPP
#define FLOWSTATE_CONTAINER_END_HPP

#include "TextBlock.hpp"

/// Finds where an array or object ends without reading what is in it, 64 bytes at a time: it counts the brackets outside strings, and for
/// that looks at quotes, backslashes and brackets only. In JSON that is where the container ends; in any other text it finds some place, or
/// none, and reads nothing beyond the end.
class ContainerEnd {
public:
    /// The closing bracket of the container whose opening one is at `begin`; `end` when there is none, or when arrays and objects are
    /// nested more than `max_depth` deep, this one counted.
    ///
    /// - `nodes`: grows by at least the number of values and names in the container, itself counted.
    static const uint8_t *find(const uint8_t *begin, const uint8_t *end, size_t max_depth, size_t &nodes) {
        ContainerEnd scan(max_depth);
        size_t place = none;
        const uint8_t *block = TextBlock::forEach(begin, end, [&](const uint8_t *bytes) {
            place = scan.take(TextBlock(bytes));
            return place != none;
        });
        nodes += scan.nodes_;
        return place == none || scan.isTooDeep_ ? end : block + place;
    }

private:
    static constexpr size_t none = TextBlock::size;

    explicit ContainerEnd(size_t max_depth) : maxDepth_(max_depth) {}

    /// Where in this block the container ends, or becomes too deep; `none`: it goes on.
    size_t take(const TextBlock &block) {
        const uint64_t strings = strings_.areInStrings(block);
        const uint64_t openings = block.areOpenings() & ~strings, closings = block.areClosings() & ~strings;
        // In the last block this also counts what follows the container's end.
        nodes_ += static_cast<size_t>(__builtin_popcountll((openings | block.are(',') | block.are(':')) & ~strings));
        if ((openings | closings) == 0) return none;
        const size_t opened = static_cast<size_t>(__builtin_popcountll(openings));
        const size_t closed = static_cast<size_t>(__builtin_popcountll(closings));
        if (closed < depth_ && opened <= maxDepth_ - depth_) { // whatever their order, neither the end nor the depth is reached
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

    const size_t maxDepth_;
    size_t depth_ = 0;
    /// As `NodeCount`: one for each opening bracket, comma and colon, and one for the first value.
    size_t nodes_ = 1;
    bool isTooDeep_ = false;
    StringScan strings_;
};

#endif
