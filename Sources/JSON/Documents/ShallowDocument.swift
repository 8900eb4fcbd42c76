import CJSON
import Synchronization

extension JSONDocument {
    /// The arrays and objects of a shallow document that have been parsed.
    struct OpenedParts: Sendable {
        /// By the index of their node.
        fileprivate var parts: [Int: JSONDocument] = [:]
        fileprivate var isFaulty = false
    }

    /// Parses the root and its direct contents, and skips the arrays and objects among them: each is parsed when it is first looked into,
    /// and kept. For reading little of a large text. Values are the same as in a whole document, except that the height of an array or
    /// object counts only what was parsed with it.
    ///
    /// In an array or object that is never looked into, only the brackets outside strings are counted, to find its end. So valid JSON is
    /// read as it is, while a fault in there is found only when it is looked into: `isFaulty`.
    ///
    /// - Returns: nil when the text is certainly not JSON, or nested too deeply; a whole document gives the reason.
    ///
    /// - Throws: when there is no memory for parsing all of the document, part by part.
    package convenience init?(shallow bytes: [UInt8], maximumDepth: Int, _ budget: WorkBudget) throws(WorkStopped) {
        // Enough for the roots of most texts; any other gets room for all of the text.
        var shallow = Self.nodes(shallow: bytes, maximumDepth, room: 128)
        if shallow == nil { shallow = Self.nodes(shallow: bytes, maximumDepth, room: try Self.takeNodes(of: bytes, budget)) }
        guard let (nodes, skipped) = shallow, !nodes.isEmpty else { return nil }
        try budget.take(bytes: skipped * MemoryLayout<cjson_node>.stride)
        self.init(bytes, nodes: nodes)
    }

    /// - Returns: nil when the room does not suffice; else the nodes, of which there are none when the text is not JSON, and how many nodes
    ///   everything has that was skipped.
    private static func nodes(shallow bytes: [UInt8], _ maximumDepth: Int, room: Int) -> (nodes: [cjson_node], skipped: Int)? {
        var (isFull, skipped) = (false, 0)
        let nodes = bytes.withUnsafeBufferPointer { text in
            [cjson_node](unsafeUninitializedCapacity: room) { nodes, count in
                let depth = max(0, maximumDepth)
                let isParsed =
                    cjson_parse_shallow(text.baseAddress, text.count, depth, nodes.baseAddress, room, &count, &skipped) == 1
                isFull = count > room
                if !isParsed { count = 0 }
            }
        }
        return isFull ? nil : (nodes, skipped)
    }

    /// An array or object that was looked into is not JSON; it was read as empty.
    package var isFaulty: Bool { opened.withLock { $0.isFaulty } }

    fileprivate func open(_ value: JSONValue) -> JSONValue {
        opened.withLock { opened in
            if let part = opened.parts[value.index] { return part.root }
            // The caller discards what it makes of a faulty document.
            if opened.isFaulty { return value }
            do throws(JSONText.Fault) {
                // The depth was checked when the whole text was scanned.
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
    /// The contents of this array or object were skipped.
    var isOpaque: Bool { node.kind_and_height & CJSON_OPAQUE != 0 }

    /// The value with its contents parsed.
    var opened: JSONValue { document.open(self) }
}
