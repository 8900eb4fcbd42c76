/// Why a patch was refused. Nothing of it was applied.
package struct JSONPatchError: Error, Sendable, Equatable {
    package enum Reason: Error, Sendable, Equatable {
        // The patch itself
        case notJSON(JSONText.Fault)
        case notAnArray(JSONValue.Kind)
        case tooManyOperations(count: Int, limit: Int)
        case notAnObject(JSONValue.Kind)
        case missingMember(String)
        case repeatedMember(String)
        case notAString(member: String, JSONValue.Kind)
        case unknownOperation(String)
        /// Not a JSON Pointer.
        case invalidPointer(member: String, text: String)

        // The patch and this document
        case notFound(path: String)
        /// The path leads into a value that is neither array nor object.
        case notAContainer(path: String, JSONValue.Kind)
        /// The path's last token is not a place in an array.
        case notAPlace(path: String)
        case outOfBounds(path: String, count: Int)
        case testFailed(path: String)
        case moveIntoItself(from: String, path: String)
        /// Without its root a document is not JSON.
        case rootRemoved

        // Limits
        case resultTooLarge(size: Int, limit: Int)
        case resultTooDeep(limit: Int)
        case stopped(WorkStopped)
    }

    /// From 0; nil when the patch as a whole is at fault.
    package var operation: Int?
    package var reason: Reason

    init(operation: Int? = nil, _ reason: Reason) {
        self.operation = operation
        self.reason = reason
    }
}

extension JSONPatchError: CustomStringConvertible {
    /// "operation 2: there is nothing at "/a/b""
    package var description: String { operation.map { "operation \($0): \(reason)" } ?? "\(reason)" }
}

extension JSONPatchError.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notJSON(let fault): "the patch is not JSON: \(fault)"
        case .notAnArray(let kind): "a JSON Patch is an array of operations; this is \(kind.noun)"
        case .tooManyOperations(let count, let limit): "the patch has \(count) operations, the limit is \(limit)"
        case .notAnObject(let kind): "an operation is an object; this is \(kind.noun)"
        case .missingMember(let name): "\"\(name)\" is missing"
        case .repeatedMember(let name): "\"\(name)\" is given more than once"
        case .notAString(let member, let kind): "\"\(member)\" must be a string; it is \(kind.noun)"
        case .unknownOperation(let name): "\"\(name)\" is not an operation; use add, remove, replace, move, copy or test"
        case .invalidPointer(let member, let text):
            "\"\(member)\" is \"\(text)\"; a JSON Pointer is empty or begins with \"/\", and has \"~\" in \"~0\" and \"~1\" only"
        case .notFound(let path): "there is nothing at \"\(path)\""
        case .notAContainer(let path, let kind): "\"\(path)\" is \(kind.noun), so nothing is in it"
        case .notAPlace(let path):
            "\"\(path)\" is in an array, where places are digits without a leading zero, or \"-\" to add behind the last"
        case .outOfBounds(let path, let count): "\"\(path)\" is beyond the array, which has \(count) element\(count == 1 ? "" : "s")"
        case .testFailed(let path): "the value at \"\(path)\" is not the one that the test expects"
        case .moveIntoItself(let from, let path): "\"\(from)\" cannot move into itself, to \"\(path)\""
        case .rootRemoved: "the whole document cannot be removed; replace it"
        case .resultTooLarge(let size, let limit): "the document becomes \(size) bytes, the limit is \(limit)"
        case .resultTooDeep(let limit): "the document becomes nested more than \(limit) deep"
        case .stopped(let stopped): stopped.description
        }
    }
}

extension JSONValue.Kind {
    /// With an article, for messages.
    var noun: String {
        switch self {
        case .null: "null"
        case .boolean: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}
