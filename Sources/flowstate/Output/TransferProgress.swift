import Synchronization

/// Shows on standard error how far a long transfer is: on a terminal as a bar that is drawn anew, elsewhere as a line every few seconds. A short
/// transfer shows nothing. Safe on any thread.
final class TransferProgress: Sendable {
    private struct State {
        var last = ContinuousClock.now
        /// Whether the bar is on the terminal's last line.
        var isDrawn = false
    }

    private static let barWidth = 30
    private static let mebibyte = Double(1 << 20)

    private let console: Console
    private let total: Int64
    private let begin = ContinuousClock.now
    private let state = Mutex(State())
    private let interval: Duration

    init(_ console: Console, total: Int64) {
        self.console = console
        self.total = total
        interval = console.hasErrorTerminal ? .milliseconds(200) : .seconds(5)
    }

    /// - Parameter transferred: Bytes from the beginning.
    func note(_ transferred: Int64) {
        state.withLock { state in
            let now = ContinuousClock.now
            guard now - state.last >= interval else { return }
            state.last = now
            let text = Self.text(transferred, of: total, after: (now - begin) / .seconds(1))
            if console.hasErrorTerminal {
                state.isDrawn = true
                console.draw(Self.bar(transferred, of: total) + " " + text)
            } else {
                console.note(text + " so far")
            }
        }
    }

    /// Takes the bar away.
    func end() { state.withLock { if $0.isDrawn { console.draw("") } } }

    static func bar(_ transferred: Int64, of total: Int64) -> String {
        let filled = min(max(Int(Double(transferred) / Double(max(total, 1)) * Double(barWidth)), 0), barWidth)
        return "[" + String(repeating: "#", count: filled) + String(repeating: " ", count: barWidth - filled) + "]"
    }

    static func text(_ transferred: Int64, of total: Int64, after seconds: Double) -> String {
        let percent = Int(Double(transferred) / Double(max(total, 1)) * 100)
        let rate = Double(transferred) / mebibyte / max(seconds, 0.001)
        return "\(percent) %, \(tenths(Double(transferred) / mebibyte)) of \(tenths(Double(total) / mebibyte)) MiB, \(tenths(rate)) MiB/s"
    }

    private static func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}
