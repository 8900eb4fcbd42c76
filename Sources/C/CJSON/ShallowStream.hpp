#ifndef FLOWSTATE_SHALLOW_STREAM_HPP
#define FLOWSTATE_SHALLOW_STREAM_HPP

#include "ContainerEnd.hpp"
#include "GrammarStream.hpp"

/// Shows the reader a text as if the arrays and objects in its root were empty: the reader checks the root itself as usual, and never sees
/// the rest. A container that cannot be passed over, since it does not end or is nested too deeply, is shown as the end of the text.
class ShallowStream : public GrammarStream {
public:
    /// - `max_depth`: of the text; the root is 1.
    ShallowStream(const uint8_t *bytes, size_t length, size_t max_depth) : GrammarStream(bytes, length), maxDepth_(max_depth) {}

    /// The reader takes an opening bracket only after its handler has accepted it, so within the depth.
    Ch Take() {
        const bool isOpening = isAtOpening();
        const Ch shown = GrammarStream::Take();
        if (!isOpening) return shown;
        if (isInRoot_) passOver(ContainerEnd::find(current() - 1, end(), maxDepth_ - 1, skipped_));
        isInRoot_ = true;
        return shown;
    }

    /// At least the number of nodes in the containers that were passed over.
    size_t skipped() const { return skipped_; }

private:
    const size_t maxDepth_;
    size_t skipped_ = 0;
    bool isInRoot_ = false;
};

#endif
