import Foundation

/// What people read goes to standard output, or to standard error when JSON goes to standard output.
enum Console {
    /// A remark, on standard error.
    static func note(_ text: String) { error("flowstate-bench: \(text)\n") }

    static func error(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

    static func output(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }
}
