import SystemPackage

/// Standard output and standard error, and how to write to them.
struct Console {
    /// Whether standard output is a terminal.
    let isTerminal: Bool
    /// How results are printed.
    let format: OutputFormat
    /// Errors are printed as JSON only when JSON was asked for; otherwise a person may be reading.
    private let errorFormat: OutputFormat

    init(requested: OutputFormat?) {
        isTerminal = FileDescriptor.standardOutput.isTerminal
        format = requested ?? (isTerminal ? .table : .json)
        errorFormat = requested ?? .table
    }

    /// - Throws: `Errno`.
    func write(_ bytes: [UInt8]) throws {
        try FileDescriptor.standardOutput.write(bytes)
    }

    /// - Throws: `Errno`.
    func write(_ text: String) throws { try write(Array(text.utf8)) }

    /// Prints one result.
    /// - Parameter table: what a table shows instead of the record itself.
    func show(_ record: Record, table: Record? = nil) throws {
        switch format {
        case .table: try write(Table.lines(table ?? record))
        case .json:
            let json = record.json
            try write((isTerminal ? JSONLayout.format(Array(json.utf8), .indented) ?? json : json) + "\n")
        }
    }

    /// Prints one result on standard error, when standard output has something else.
    func showBeside(_ record: Record) { writeError(format == .table ? Table.lines(record) : record.json + "\n") }

    /// A remark for people, on standard error.
    func note(_ text: String) { writeError("flowstate: " + text + "\n") }

    /// Whether standard error is a terminal, on which a line can be drawn anew.
    var hasErrorTerminal: Bool { FileDescriptor.standardError.isTerminal }

    /// Draws the last line of the terminal anew: ESC [ K erases what is right of the cursor (ECMA-48 §8.3.41).
    func draw(_ line: String) { writeError("\r" + line + "\u{1B}[K") }

    /// Prints a failure on standard error.
    func report(_ failure: Failure, _ status: ExitStatus) {
        var failure = failure
        failure.status = status
        writeError((errorFormat == .json ? failure.record.json : failure.text) + "\n")
    }

    /// Standard error may be closed; the error is dropped then.
    private func writeError(_ text: String) {
        _ = try? FileDescriptor.standardError.write(Array(text.utf8))
    }
}
