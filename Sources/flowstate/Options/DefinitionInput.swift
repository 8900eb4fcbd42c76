import FlowModel
import JSON
import Yams

/// Where a definition comes from: a file with JSON, or with YAML if its name says so.
enum DefinitionInput {
    /// The document as JSON.
    /// - Throws: `LocalFailure` when it cannot be read, or is YAML that JSON cannot express.
    static func read(_ path: String) throws -> [UInt8] {
        let bytes = try StateInput.read(path)
        guard path.hasSuffix(".yaml") || path.hasSuffix(".yml") else { return bytes }
        do {
            guard let node = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self)) else {
                throw LocalFailure("'\(path)' is empty", status: .invalidInput)
            }
            return Array(try json(node).utf8)
        } catch let error as YamlError {
            throw LocalFailure("'\(path)' is not YAML: \(error)", status: .invalidInput)
        }
    }

    private static func json(_ node: Node) throws -> String {
        switch node {
        case .mapping(let mapping):
            let members = try mapping.map { key, value in
                guard let name = key.scalar?.string else {
                    throw LocalFailure("a name must be a string\(place(key))", status: .invalidInput)
                }
                return "\(quoted(name)):\(try json(value))"
            }
            return "{" + members.joined(separator: ",") + "}"
        case .sequence(let sequence): return "[" + (try sequence.map(json)).joined(separator: ",") + "]"
        case .scalar(let scalar): return try json(scalar, node)
        case .alias: throw LocalFailure("an alias cannot be followed\(place(node))", status: .invalidInput)
        }
    }

    /// Numbers keep their spelling where it is valid in JSON.
    private static func json(_ scalar: Node.Scalar, _ node: Node) throws -> String {
        if let bool = node.bool, node.tag == Tag(.bool) { return bool ? "true" : "false" }
        if node.null != nil, node.tag == Tag(.null) { return "null" }
        guard node.tag == Tag(.int) || node.tag == Tag(.float) else { return quoted(scalar.string) }
        if JSONText.fault(in: Array(scalar.string.utf8), maximumDepth: 0) == nil { return scalar.string }
        if let number = node.int { return "\(number)" }
        if let number = node.float, number.isFinite { return "\(number)" }
        throw LocalFailure("\(scalar.string) is not a number that JSON allows\(place(node))", status: .invalidInput)
    }

    private static func quoted(_ text: String) -> String { String(decoding: JSONString.spell(text), as: UTF8.self) }

    private static func place(_ node: Node) -> String { node.mark.map { " (line \($0.line))" } ?? "" }
}
