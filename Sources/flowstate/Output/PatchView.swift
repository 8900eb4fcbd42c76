import FlowModel
import JSON

/// A JSON Patch for people: one line per operation, removals in red, additions in green, replacements in yellow.
enum PatchView {
    private static let red = "\u{1B}[31m"
    private static let green = "\u{1B}[32m"
    private static let yellow = "\u{1B}[33m"
    private static let plain = "\u{1B}[0m"

    static func lines(_ patch: [UInt8], inColours: Bool) -> String {
        guard let document = try? JSONDocument(patch, maximumDepth: Limits.defaults.jsonDepth) else {
            return TerminalText.line(String(decoding: patch, as: UTF8.self)) + "\n"
        }
        return document.root.elements.map { operation in
            let (colour, text) = line(operation)
            return inColours ? colour + text + plain + "\n" : text + "\n"
        }.joined()
    }

    private static func line(_ operation: JSONValue) -> (colour: String, text: String) {
        let path = TerminalText.line(operation["path"]?.string ?? "")
        let value = operation["value"].map { JSONLayout.format(Array($0.text), .compact) ?? "" } ?? ""
        switch operation["op"]?.string ?? "" {
        case "add": return (green, "+ \(path)  \(value)")
        case "remove": return (red, "- \(path)")
        case "replace": return (yellow, "~ \(path)  \(value)")
        case let other: return (plain, "\(other) \(path) \(value)")
        }
    }
}
