import Foundation
import Testing

@testable import JSON

/// The cases of github.com/json-schema-org/JSON-Schema-Test-Suite for draft-07 (MIT License, beside them), as of commit 44401e0.
struct JSONSchemaSuiteTests {
    private static let remote = "refers to another document, and nothing is ever fetched: such a definition is refused"

    /// What does not pass, by the beginning of its name, with the reason.
    static let known: [(name: String, reason: String)] = [
        ("definitions.json: validate definition against metaschema", remote),
        ("ref.json: remote ref, containing refs itself", remote),
        ("refRemote.json", remote),
    ]

    private struct Outcome {
        let name: String
        let isRight: Bool
        let reason: String
    }

    @Test func passesWhatIsRequired() throws {
        let outcomes = try outcomes(in: "")
        let failed = outcomes.filter { !$0.isRight }
        #expect(failed.allSatisfy { $0.reason.contains("never fetched") })
        for outcome in failed where !Self.known.contains(where: { outcome.name.hasPrefix($0.name) }) {
            Issue.record("\(outcome.name): \(outcome.reason)")
        }
        for (name, _) in Self.known where !failed.contains(where: { $0.name.hasPrefix(name) }) {
            Issue.record("\(name) passes now: take it off the list")
        }
        print("JSON-Schema-Test-Suite draft7: \(outcomes.count - failed.count) of \(outcomes.count) passed")
        #expect((outcomes.count, failed.count) == (927, 27))
    }

    /// Nothing there must pass; the rates are for people.
    @Test(arguments: ["optional", "optional/format"]) func passesSomeOfWhatIsOptional(_ folder: String) throws {
        let outcomes = try outcomes(in: folder)
        let failed = outcomes.filter { !$0.isRight }
        print("JSON-Schema-Test-Suite draft7/\(folder): \(outcomes.count - failed.count) of \(outcomes.count) passed")
        #expect(!outcomes.isEmpty)
    }

    private func outcomes(in folder: String) throws -> [Outcome] {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Data/json-schema-tests/draft7/\(folder)")
        let files = try FileManager.default.contentsOfDirectory(atPath: path.path()).filter { $0.hasSuffix(".json") }.sorted()
        return try files.flatMap { file in
            let groups = try JSONDocument([UInt8](Data(contentsOf: path.appending(path: file))), maximumDepth: 256).root
            return try groups.elements.flatMap { try outcomes($0, of: file) }
        }
    }

    private func outcomes(_ group: JSONValue, of file: String) throws -> [Outcome] {
        guard let value = group["schema"], let cases = group["tests"] else { return [] }
        let (schema, faults) = SchemaReader.read(
            value, at: JSONPointer(["schema"]), .usual, PatternTable(.usual, isStored: false, .usual))
        return try cases.elements.map { test in
            let name = "\(file): \(group["description"]?.string ?? ""): \(test["description"]?.string ?? "")"
            guard let schema, let data = test["data"] else {
                return Outcome(name: name, isRight: false, reason: faults.first.map(\.description).joined(separator: "; "))
            }
            var report = RuleReport(WorkBudget(steps: 1_000_000))
            try schema.check(data, &report)
            let reason = report.violations.map { "\($0.path) \($0.message)" }.joined(separator: "; ")
            let isRight = report.violations.isEmpty == test["valid"]?.isTrue
            return Outcome(name: name, isRight: isRight, reason: reason.isEmpty ? "is taken as valid" : reason)
        }
    }
}
