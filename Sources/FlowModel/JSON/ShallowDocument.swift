import CJSON
import Synchronization

extension JSONDocument {
    /// What was found in the arrays and objects of a shallow document.
    struct OpenedParts: Sendable {
        /// By node.
        fileprivate var parts: [Int: JSONDocument] = [:]
        fileprivate var isFaulty = false
    }

    /// Parses the root and what is directly in it, and passes over the arrays and objects in there: each is parsed when it is first
    /// looked into, and kept. For reading little of a large text; values are the same as in a whole document, except that the
    /// height of an array or object counts only what was parsed with it.
    ///
    /// Of an array or object that is not looked into only the brackets outside strings are counted, to find its end. So JSON is read as it
    /// is, while faults in there are found only when it is looked into: `isFaulty`.
    ///
    /// - Returns: nil when the text is certainly not JSON, or nested too deeply; a whole document says why.
    convenience init?(shallow bytes: [UInt8], maximumDepth: Int) {
        var nodes: UnsafeMutablePointer<cjson_node>?
        var count = 0
        let isParsed = bytes.withUnsafeBufferPointer {
            cjson_parse_shallow($0.baseAddress, $0.count, max(0, maximumDepth), &nodes, &count) == 1
        }
        // As above.
        defer { cjson_free(nodes) }
        guard isParsed, let nodes else { return nil }
        self.init(bytes, nodes: Array(UnsafeBufferPointer(start: nodes, count: count)))
    }

    /// An array or object that was looked into is not JSON; it was read as empty.
    var isFaulty: Bool { opened.withLock { $0.isFaulty } }

    fileprivate func open(_ value: JSONValue) -> JSONValue {
        opened.withLock { opened in
            if let part = opened.parts[value.index] { return part.root }
            // Whatever is made of the document now is of no use any more.
            if opened.isFaulty { return value }
            do throws(JSONText.Fault) {
                // The text as a whole was found not to be nested too deeply.
                var nodes = try Self.nodes(of: value.text, maximumDepth: .max)
                let offset = value.node.begin
                for index in nodes.indices {
                    nodes[index].begin += offset
                    nodes[index].end += offset
                }
                let part = JSONDocument(bytes, nodes: nodes)
                opened.parts[value.index] = part
                return part.root
            } catch {
                opened.isFaulty = true
                return value
            }
        }
    }
}

extension JSONValue {
    /// In this array or object there is something that was passed over.
    var isOpaque: Bool { node.kind_and_height & CJSON_OPAQUE != 0 }

    /// With what is in it.
    var opened: JSONValue { document.open(self) }
}
