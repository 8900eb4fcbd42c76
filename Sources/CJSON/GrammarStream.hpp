#ifndef FLOWSTATE_GRAMMAR_STREAM_HPP
#define FLOWSTATE_GRAMMAR_STREAM_HPP

#include <cstddef>
#include <cstdint>

/// An input stream for RapidJSON's reader that shows a text so that the reader decides by RFC 8259's grammar alone.
///
/// RapidJSON also checks what a value means: a high surrogate escape must be followed by a low one, and a number must fit a double.
/// RFC 8259 leaves both to the application (§6, §8.2). For validation only, this stream therefore shows
/// - the first hex digit `d` or `D` after `\u` as `0`, so that no escape is a surrogate, and
/// - of a run of decimal digits the first two only (a leading zero stays visible: `012` shows as `01`), so that no number is too big.
/// The four digits after `\u` are not a run. Digits inside strings are shortened too, which changes no verdict.
///
/// It is also the "in situ" output stream: the reader's strings go nowhere, so no byte is copied.
class GrammarStream {
public:
    typedef char Ch;

    GrammarStream(const uint8_t *bytes, size_t length)
        : begin_(bytes), current_(bytes), end_(bytes + length), state_(State::plain), hexDigitsLeft_(0) {}

    /// The reader takes NUL for the end of the text; whoever calls it compares `Tell()` with the length to tell a NUL in the text apart.
    Ch Peek() const {
        if (current_ == end_) return '\0';
        const uint8_t byte = *current_;
        if (hexDigitsLeft_ == 4 && (byte | 0x20) == 'd') return '0';
        return static_cast<Ch>(byte);
    }

    /// At the end it gives NUL and stays: RapidJSON's UTF-8 check takes continuation bytes without peeking.
    Ch Take() {
        if (current_ == end_) return '\0';
        const Ch shown = Peek();
        const uint8_t byte = *current_++;
        switch (state_) {
        case State::plain:
            if (byte == '\\') state_ = State::escape;
            else if (isDigit(byte)) state_ = State::digit;
            break;
        case State::digit:
            if (byte == '\\') state_ = State::escape;
            else if (isDigit(byte)) skipDigits();
            else state_ = State::plain;
            break;
        case State::escape:
            state_ = byte == 'u' ? State::hex : State::plain;
            hexDigitsLeft_ = byte == 'u' ? 4 : 0;
            break;
        case State::hex:
            if (--hexDigitsLeft_ == 0) state_ = State::plain;
            break;
        }
        return shown;
    }

    size_t Tell() const { return static_cast<size_t>(current_ - begin_); }

    // The output half. The reader subtracts 1 from the length (its terminating NUL) and calls no handler that looks at the characters.
    Ch *PutBegin() { return &nothing_; }
    void Put(Ch) {}
    size_t PutEnd(Ch *) { return 1; }

private:
    enum class State : uint8_t { plain, digit, escape, hex };

    static bool isDigit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

    void skipDigits() {
        while (current_ != end_ && isDigit(*current_)) ++current_;
        state_ = State::plain;
    }

    const uint8_t *begin_;
    const uint8_t *current_;
    const uint8_t *end_;
    State state_;
    uint8_t hexDigitsLeft_;
    Ch nothing_ = '\0';
};

#endif
