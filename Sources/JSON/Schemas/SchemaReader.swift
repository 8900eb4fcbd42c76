/// Reads a schema from its JSON, or reports every fault in it.
///
/// Keywords that draft-07 does not define are ignored, as it demands (§6.4). Those of later drafts are faults: their authors expect a check
/// that would not happen.
package struct SchemaReader {
    private let index: SchemaIndex
    private var subschemas: [Subschema] = []
    private var faults = FaultList()
    private let patterns: PatternTable

    /// The most schemas that apply to the same value through each other: `allOf` in `anyOf` in `not`…
    private static let maximumInPlace = 32

    private init(_ root: JSONValue, at place: JSONPointer, _ limits: SchemaLimits, _ patterns: PatternTable) {
        index = SchemaIndex(root, at: place, maximum: limits.schemas)
        self.patterns = patterns
    }

    /// - Parameter place: the schema's place in the definition.
    package static func read(
        _ root: JSONValue, at place: JSONPointer, _ limits: SchemaLimits, _ patterns: PatternTable
    ) -> (schema: JSONSchema?, faults: FaultList) {
        var reader = SchemaReader(root, at: place, limits, patterns)
        // A reference may make a schema of a place that no keyword makes one: then there is one more to read.
        while reader.subschemas.count < reader.index.locations.count, !reader.index.isFull {
            reader.readNext()
        }
        reader.faults.take(reader.index.faults)
        if reader.faults.isEmpty { reader.follow() }
        if reader.faults.isEmpty { reader.findCircles() }
        if !reader.faults.isEmpty { return (nil, reader.faults) }
        return (JSONSchema(reader.subschemas, limits), reader.faults)
    }

    private mutating func readNext() {
        let number = subschemas.count
        let location = index.locations[number]
        var subschema = Subschema()
        switch location.value.kind {
        case .boolean: subschema.isNever = !location.value.isTrue
        case .object:
            var object = SchemaObject(location.value, at: location.place, index)
            if let reference = object.string("$ref") {
                let (target, fault) = index.resolve(reference, in: number)
                if target == nil { object.fault("$ref", fault) }
                subschema.target = target
            } else {
                subschema.keywords = Self.keywords(&object, patterns)
            }
            faults.take(object.faults)
        case let kind:
            faults.add(location.place.description, "is \(kind.article) \(kind.name), not a schema")
        }
        subschemas.append(subschema)
    }

    private static func keywords(_ object: inout SchemaObject, _ patterns: PatternTable) -> [SchemaKeyword] {
        object.checkNames()
        var keywords: [SchemaKeyword] = []
        if let types = object.types() { keywords.append(.types(types)) }
        if let values = object.array("enum") { keywords.append(.values(SchemaValues(values))) }
        if let constant = object.value("const") { keywords.append(.constant(constant)) }
        if let number = object.numberSchema() { keywords.append(.number(number)) }
        if let string = object.stringSchema(patterns) { keywords.append(.string(string)) }
        if let array = object.arraySchema() { keywords.append(.array(array)) }
        if let object = object.objectSchema(patterns) { keywords.append(.object(object)) }
        if let all = object.schemas("allOf") { keywords.append(.allOf(all)) }
        if let any = object.schemas("anyOf") { keywords.append(.anyOf(any)) }
        if let one = object.schemas("oneOf") { keywords.append(.oneOf(one)) }
        if let not = object.schema("not") { keywords.append(.not(not)) }
        if let test = object.schema("if") {
            let condition = ConditionSchema(test: test, positive: object.schema("then"), negative: object.schema("else"))
            keywords.append(.condition(condition))
        }
        return keywords
    }

    /// Replaces references to references by their final target.
    private mutating func follow() {
        for start in subschemas.indices {
            var (number, path): (Int, Set<Int>) = (start, [])
            while let next = subschemas[number].target {
                guard path.insert(number).inserted else {
                    return fault(start, "$ref", "leads back to itself and says nothing about any value")
                }
                number = next
            }
            // A later walk along this path reaches the end in one step.
            for passed in path { subschemas[passed].target = number }
        }
    }

    private mutating func fault(_ number: Int, _ keyword: String, _ message: String) {
        faults.add(index.locations[number].place.appending(keyword).description, message)
    }

    // MARK: Cycles

    /// Finds schemas that would apply to the same value again, without end, and those nested too deeply for one value. Each is visited
    /// once, after all to which it leads.
    private mutating func findCircles() {
        var depths = [Int?](repeating: nil, count: subschemas.count)
        var isOpen = [Bool](repeating: false, count: subschemas.count)
        for start in subschemas.indices where depths[start] == nil {
            var path = [start]
            while let number = path.last {
                if depths[number] != nil {
                    path.removeLast()
                    continue
                }
                let inner = inPlace(number)
                if isOpen[number] {
                    let depth = inner.compactMap { depths[$0] }.max().map { $0 + 1 } ?? 0
                    depths[number] = depth
                    isOpen[number] = false
                    path.removeLast()
                    guard depth <= Self.maximumInPlace else {
                        let message = "more than \(Self.maximumInPlace) nested schemas apply to the same value"
                        return faults.add(index.locations[number].place.description, message)
                    }
                    continue
                }
                isOpen[number] = true
                for next in inner where depths[next] == nil {
                    if isOpen[next] {
                        let message = "leads back to itself for the same value, without end"
                        return faults.add(index.locations[number].place.description, message)
                    }
                    path.append(next)
                }
            }
        }
    }

    private func inPlace(_ number: Int) -> [Int] {
        subschemas[number].keywords.flatMap(\.inPlace).map { subschemas[$0].target ?? $0 }
    }
}
