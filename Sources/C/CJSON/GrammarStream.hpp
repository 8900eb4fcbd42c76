#ifndef FLOWSTATE_GRAMMAR_STREAM_HPP
#define FLOWSTATE_GRAMMAR_STREAM_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>

/// An input stream for RapidJSON's reader that shows a text in such a way that the reader decides by RFC 8259's grammar alone, and fast.
///
/// RapidJSON also checks what a value means: a high surrogate escape must be followed by a low one, and a number must fit a double.
/// RFC 8259 leaves both to the application (§6, §8.2). For validation only, this stream therefore shows
/// - the first hex digit `d` or `D` after `\u` as `0`, so that no escape is a surrogate, and
/// - of a run of digits in a number the first two only (a leading zero stays visible: `012` shows as `01`), so that no number is too big.
///
/// Of a run of plain ASCII characters in a string it shows the first only: one is as valid as many, and the others are skipped eight at a
/// time. The reader sees and checks everything else (quotes, escapes, control characters, UTF-8 of several bytes).
///
/// It is also the "in situ" output stream: the reader's strings are dropped, so no byte is copied.
class GrammarStream {
public:
    typedef char Ch;

    GrammarStream(const uint8_t *bytes, size_t length)
        : begin_(bytes), current_(bytes), end_(bytes + length), state_(State::outside), hexDigitsLeft_(0) {}

    /// The reader takes NUL for the end of the text; its caller compares `Tell()` with the length to find a NUL in the text.
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
        case State::outside:
            if (byte == '"') state_ = State::string;
            else if (isDigit(byte)) state_ = State::digit;
            break;
        case State::digit:
            state_ = State::outside;
            if (byte == '"') state_ = State::string;
            else if (isDigit(byte)) skipDigits();
            break;
        case State::string:
            if (isPlain(byte)) skipPlain();
            else if (byte == '"') state_ = State::outside;
            else if (byte == '\\') state_ = State::escape;
            break;
        case State::escape:
            state_ = byte == 'u' ? State::hex : State::string;
            hexDigitsLeft_ = byte == 'u' ? 4 : 0;
            break;
        case State::hex:
            if (--hexDigitsLeft_ == 0) state_ = State::string;
            break;
        }
        return shown;
    }

    size_t Tell() const { return static_cast<size_t>(current_ - begin_); }

    // The output half. The reader subtracts 1 from the length (its terminating NUL) and calls no handler that looks at the characters.
    Ch *PutBegin() { return &nothing_; }
    void Put(Ch) {}
    size_t PutEnd(Ch *) { return 1; }

protected:
    const uint8_t *current() const { return current_; }
    const uint8_t *end() const { return end_; }

    bool isAtOpening() const { return current_ != end_ && state_ <= State::digit && (*current_ == '[' || *current_ == '{'); }

    /// Moves to `place` without showing what is before it. Only outside strings and numbers.
    void passOver(const uint8_t *place) { current_ = place; }

private:
    enum class State : uint8_t { outside, digit, string, escape, hex };

    static bool isDigit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

    /// A character of a string that is one byte and means itself.
    static bool isPlain(uint8_t byte) { return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\'; }

    void skipDigits() {
        while (current_ != end_ && isDigit(*current_)) ++current_;
    }

    void skipPlain() {
        while (end_ - current_ >= 8 && areEightPlain(current_)) current_ += 8;
        while (current_ != end_ && isPlain(*current_)) ++current_;
    }

    /// A byte below 0x20, a quote (x ^ 0x22 is 0) and a backslash (x ^ 0x5C is 0) borrow when 0x20 or 1 is taken away, which sets their
    /// highest bit; a byte from 0x80 has it. A borrow reaches the next byte only when this one is found already.
    static bool areEightPlain(const uint8_t *bytes) {
        uint64_t x;
        std::memcpy(&x, bytes, sizeof x);
        constexpr uint64_t ones = 0x0101010101010101;
        const uint64_t control = x - 0x20 * ones;
        const uint64_t quote = (x ^ 0x22 * ones) - ones;
        const uint64_t backslash = (x ^ 0x5C * ones) - ones;
        return ((x | control | quote | backslash) & 0x80 * ones) == 0;
    }

    const uint8_t *begin_;
    const uint8_t *current_;
    const uint8_t *end_;
    State state_;
    uint8_t hexDigitsLeft_;
    Ch nothing_ = '\0';
};

#endif
