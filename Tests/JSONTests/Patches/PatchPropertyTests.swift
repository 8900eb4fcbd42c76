import TestSupport
import Testing

@testable import JSON

struct PatchPropertyTests {
    /// The same result as operations on values without any spelling, and refused where they are.
    @Test(arguments: [UInt64.random(in: 1 ... .max), 815])
    func agreesWithTheModel(seed: UInt64) throws {
        var json = RandomJSON(seed: seed)
        var (applied, refused) = (0, 0)
        for round in 0..<5_000 {
            let document = try parse(json.container())
            let operations = (0..<Int.random(in: 1...3, using: &json.random)).map { _ in json.operation(on: document.root) }
            let source = "[\(operations.joined(separator: ","))]"
            let expected = try? ModelPatch(try parse(source).root).apply(to: Model(document.root))
            do {
                let result = try JSONPatch(Array(source.utf8)).apply(to: document)
                applied += 1
                if try Model(parse(result).root) != expected { Issue.record("seed \(seed), round \(round): \(source)") }
            } catch let error as JSONPatchError {
                refused += 1
                if expected != nil { Issue.record("seed \(seed), round \(round): \(error): \(source)") }
            }
        }
        #expect(applied > 1_000 && refused > 1_000, "\(applied) applied, \(refused) refused")
    }

    /// Whatever comes is refused or leads to JSON.
    @Test(arguments: [UInt64.random(in: 1 ... .max), 42])
    func noBytesDoHarm(seed: UInt64) throws {
        var json = RandomJSON(seed: seed)
        json.repeatsNames = true
        var applied = 0
        for round in 0..<5_000 {
            let document = try parse(json.container())
            let operations = (0..<Int.random(in: 1...3, using: &json.random)).map { _ in json.operation(on: document.root) }
            var patch = Array("[\(operations.joined(separator: ","))]".utf8)
            if round % 2 == 0 { patch = json.damage(patch) }
            guard let result = try? JSONPatch(patch).apply(to: document) else { continue }
            applied += 1
            if let fault = JSONText.fault(in: result, maximumDepth: 256) { Issue.record("seed \(seed), round \(round): \(fault)") }
        }
        #expect(applied > 200, "\(applied) applied")
    }
}

extension RandomJSON {
    /// An operation whose paths lead somewhere in a document, more often than not.
    mutating func operation(on root: JSONValue) -> String {
        let (path, from) = (pointer(in: root), pointer(in: root))
        switch Int.random(in: 0..<6, using: &random) {
        case 0: return #"{"op":"add","path":"\#(path)","value":\#(value(depth: 2))}"#
        case 1: return #"{"op":"remove","path":"\#(path)"}"#
        case 2: return #"{"op":"replace","value":\#(value(depth: 2)),"path":"\#(path)"}"#
        case 3: return #"{"op":"move","path":"\#(path)","from":"\#(from)"}"#
        case 4: return #"{"from":"\#(from)","op":"copy","path":"\#(path)"}"#
        default:
            let expected = JSONPointerWalk(root, path)?.found ?? root
            return #"{"op":"test","path":"\#(path)","value":\#(chance(1, in: 2) ? text(expected.text) : change(expected))}"#
        }
    }

    /// Spelled as it stands in a JSON string.
    private mutating func pointer(in root: JSONValue) -> String {
        var (value, pointer) = (root, "")
        repeat {
            if value.kind != .array, value.kind != .object, chance(15, in: 16) { break }
            let (name, next) = step(from: value)
            pointer += "/" + name.replacing("~", with: "~0").replacing("\\/", with: "~1").replacing("/", with: "~1")
            guard let next else { break }
            value = next
        } while chance(2, in: 3)
        return pointer
    }

    /// - Returns: a name without quotes, and what it leads to.
    private mutating func step(from value: JSONValue) -> (String, JSONValue?) {
        if chance(1, in: 20) { return (pick(["-", "01", "9", "99999999999999999999", "-1", "zz", "1e0", ""], ""), nil) }
        switch value.kind {
        case .array:
            let place = Int.random(in: 0...value.count, using: &random)
            return ("\(place)", value[place])
        case .object:
            guard let member = Array(value.members).randomElement(using: &random) else { return ("new", nil) }
            return (text(member.key.text.dropFirst().dropLast()), member.value)
        default: return ("0", nil)
        }
    }
}

/// What a path leads to in a document that nobody changed.
private struct JSONPointerWalk {
    var found: JSONValue

    init?(_ root: JSONValue, _ spelled: String) {
        found = root
        guard let path = PatchPath(spelled: Array("\"\(spelled)\"".utf8)[...]) else { return nil }
        for token in path.tokens {
            switch (found.kind, token.place) {
            case (.array, .index(let place)):
                guard let next = found[place] else { return nil }
                found = next
            case (.object, _):
                guard let next = Array(found.members).last(where: { JSONName(spelled: $0.key.text) == token })?.value else { return nil }
                found = next
            default: return nil
            }
        }
    }
}

/// RFC 6902 once more, as simple as can be.
private struct ModelPatch {
    enum Refused: Error { case here }

    let operations: [JSONValue]

    init(_ patch: JSONValue) { operations = Array(patch.elements) }

    func apply(to model: Model) throws -> Model { try operations.reduce(model, perform) }

    private func perform(_ model: Model, _ operation: JSONValue) throws -> Model {
        let path = try tokens(operation["path"])
        let value = operation["value"].map(Model.init) ?? .null
        switch operation["op"]?.string {
        case "add": return try model.adding(value, at: path)
        case "remove": return try model.removing(path)
        case "replace":
            _ = try model.get(path)
            return try path.isEmpty ? value : model.removing(path).adding(value, at: path)
        case "test": return try model.get(path) == value ? model : { throw Refused.here }()
        default: break
        }
        let from = try tokens(operation["from"])
        let moved = try model.get(from)
        if operation["op"]?.string == "copy" { return try model.adding(moved, at: path) }
        if from == path { return model }
        if path.starts(with: from) { throw Refused.here }
        return try model.removing(from).adding(moved, at: path)
    }

    private func tokens(_ value: JSONValue?) throws -> [[UInt16]] {
        guard let value else { throw Refused.here }
        let units = JSONString.units(value.text)
        if units.isEmpty { return [] }
        guard units.first == 0x2F else { throw Refused.here }
        return units.dropFirst().split(separator: 0x2F, omittingEmptySubsequences: false).map { part in
            // "~1" first, then "~0" (RFC 6901 §4)
            [UInt16](part).replacing([0x7E, 0x31], with: [0x2F]).replacing([0x7E, 0x30], with: [0x7E])
        }
    }
}

extension Model {
    fileprivate func get(_ path: [[UInt16]]) throws -> Model {
        guard let token = path.first else { return self }
        switch self {
        case .array(let elements): return try elements[place(token, below: elements.count)].get(Array(path.dropFirst()))
        case .object(let members):
            guard let member = members[token] else { throw ModelPatch.Refused.here }
            return try member.get(Array(path.dropFirst()))
        default: throw ModelPatch.Refused.here
        }
    }

    fileprivate func adding(_ value: Model, at path: [[UInt16]]) throws -> Model {
        guard let token = path.first else { return value }
        let rest = Array(path.dropFirst())
        switch self {
        case .array(var elements):
            if rest.isEmpty {
                elements.insert(value, at: token == [0x2D] ? elements.count : try place(token, below: elements.count + 1))
            } else {
                let place = try place(token, below: elements.count)
                elements[place] = try elements[place].adding(value, at: rest)
            }
            return .array(elements)
        case .object(var members):
            members[token] = rest.isEmpty ? value : try get([token]).adding(value, at: rest)
            return .object(members)
        default: throw ModelPatch.Refused.here
        }
    }

    fileprivate func removing(_ path: [[UInt16]]) throws -> Model {
        guard let token = path.first else { throw ModelPatch.Refused.here }
        let rest = Array(path.dropFirst())
        let found = try get([token])
        switch self {
        case .array(var elements):
            let place = try place(token, below: elements.count)
            if rest.isEmpty { elements.remove(at: place) } else { elements[place] = try found.removing(rest) }
            return .array(elements)
        case .object(var members):
            members[token] = rest.isEmpty ? nil : try found.removing(rest)
            return .object(members)
        default: throw ModelPatch.Refused.here
        }
    }

    private func place(_ token: [UInt16], below count: Int) throws -> Int {
        let text = String(decoding: token, as: UTF16.self)
        guard let place = Int(text), place >= 0, place < count, String(place) == text else { throw ModelPatch.Refused.here }
        return place
    }
}
