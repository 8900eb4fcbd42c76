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
        // Few texts have more in their roots; for those what all of the text would need is enough.
        let few = Self.nodes(shallow: bytes, maximumDepth, room: 128)
        let nodes = few ?? Self.nodes(shallow: bytes, maximumDepth, room: Self.nodeCount(bytes[...]))
        guard let nodes, !nodes.isEmpty else { return nil }
        self.init(bytes, nodes: nodes)
    }

    /// - Returns: nil when there is no room for all; none: it is not JSON.
    private static func nodes(shallow bytes: [UInt8], _ maximumDepth: Int, room: Int) -> [cjson_node]? {
        var isFull = false
        let nodes = bytes.withUnsafeBufferPointer { text in
            [cjson_node](unsafeUninitializedCapacity: room) { nodes, count in
                let depth = max(0, maximumDepth)
                let isParsed = cjson_parse_shallow(text.baseAddress, text.count, depth, nodes.baseAddress, room, &count) == 1
                isFull = count > room
                if !isParsed { count = 0 }
            }
        }
        return isFull ? nil : nodes
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
                var nodes = try Self.nodes(of: value.text, maximumDepth: .max, room: Self.nodeCount(value.text))
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
