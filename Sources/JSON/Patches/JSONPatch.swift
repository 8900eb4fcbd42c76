/// A JSON Patch: a list of changes to a JSON document (RFC 6902).
package struct JSONPatch: Sendable {
    enum Operation: Sendable {
        case add(PatchPath, JSONValue)
        case remove(PatchPath)
        case replace(PatchPath, JSONValue)
        case move(from: PatchPath, PatchPath)
        case copy(from: PatchPath, PatchPath)
        case test(PatchPath, JSONValue)
    }

    let operations: [Operation]
    private let limits: PatchLimits

    /// Refuses patches that fail on every document: syntax errors, missing or repeated members (Appendix A.13), paths that are not JSON
    /// Pointers. Members that RFC 6902 does not define are ignored, as §4 requires.
    package init(_ bytes: [UInt8], limits: PatchLimits, budget: WorkBudget) throws(JSONPatchError) {
        let parsed: Result<JSONDocument, JSONText.Fault>
        do throws(WorkStopped) {
            // Values are two levels deep: in an operation, in the array of operations.
            parsed = try JSONDocument.parse(bytes, maximumDepth: limits.depth + 2, budget)
            try budget.spend(parsed.value?.nodes.count ?? 0)
        } catch {
            throw JSONPatchError(.stopped(error))
        }
        let document: JSONDocument
        do throws(JSONText.Fault) {
            document = try parsed.get()
        } catch {
            throw JSONPatchError(.notJSON(error))
        }
        guard document.root.kind == .array else { throw JSONPatchError(.notAnArray(document.root.kind)) }
        let count = document.root.count
        if count > limits.operations { throw JSONPatchError(.tooManyOperations(count: count, limit: limits.operations)) }
        var operations: [Operation] = []
        operations.reserveCapacity(count)
        for (index, value) in document.root.elements.enumerated() {
            do throws(JSONPatchError.Reason) {
                operations.append(try OperationMembers(value).operation())
            } catch {
                throw JSONPatchError(operation: index, error)
            }
        }
        self.operations = operations
        self.limits = limits
    }

    /// Applies all operations in their order, or none of them (§5).
    ///
    /// What no operation touches keeps its spelling. The arrays and objects in which something was changed are written without white space;
    /// an unchanged document is returned as it is.
    package func apply(to document: JSONDocument, budget: WorkBudget) throws(JSONPatchError) -> [UInt8] {
        var editor = PatchEditor(document, limits: limits, budget)
        for (index, operation) in operations.enumerated() {
            do throws(JSONPatchError.Reason) {
                try editor.apply(operation)
            } catch {
                throw JSONPatchError(operation: index, error)
            }
        }
        do throws(WorkStopped) {
            return try editor.write()
        } catch {
            throw JSONPatchError(.stopped(error))
        }
    }
}

/// The members of an operation that RFC 6902 defines.
private struct OperationMembers {
    private typealias Reason = JSONPatchError.Reason

    private var found: [JSONName: JSONValue] = [:]

    init(_ value: JSONValue) throws(JSONPatchError.Reason) {
        guard value.kind == .object else { throw .notAnObject(value.kind) }
        for member in value.members {
            guard let name = ["op", "path", "from", "value"].first(where: member.hasName) else { continue }
            guard found.updateValue(member.value, forKey: JSONName(name)) == nil else { throw .repeatedMember(name) }
        }
    }

    func operation() throws(JSONPatchError.Reason) -> JSONPatch.Operation {
        let name = try member("op")
        guard let operation = name.string else { throw .notAString(member: "op", name.kind) }
        switch operation {
        case "add": return .add(try path("path"), try member("value"))
        case "remove": return .remove(try path("path"))
        case "replace": return .replace(try path("path"), try member("value"))
        case "move": return .move(from: try path("from"), try path("path"))
        case "copy": return .copy(from: try path("from"), try path("path"))
        case "test": return .test(try path("path"), try member("value"))
        default: throw .unknownOperation(String(operation.prefix(40)))
        }
    }

    private func member(_ name: String) throws(Reason) -> JSONValue {
        guard let value = found[JSONName(name)] else { throw .missingMember(name) }
        return value
    }

    private func path(_ name: String) throws(Reason) -> PatchPath {
        let value = try member(name)
        guard value.kind == .string else { throw .notAString(member: name, value.kind) }
        guard let path = PatchPath(spelled: value.text) else {
            throw .invalidPointer(member: name, text: String((value.string ?? "").prefix(200)))
        }
        return path
    }
}

/// Limits of a patch and of its result: a few bytes can ask for very much, since copying a document into itself doubles it each time. A
/// `WorkBudget` bounds the work of applying it.
package struct PatchLimits: Sendable, Equatable {
    /// Operations in one patch.
    package var operations: Int
    /// Bytes of the document, after every operation.
    package var resultBytes: Int
    /// The nesting of arrays and objects, in the patch's values and in the document after every operation.
    package var depth: Int

    package init(operations: Int, resultBytes: Int, depth: Int) {
        self.operations = operations
        self.resultBytes = resultBytes
        self.depth = depth
    }
}
