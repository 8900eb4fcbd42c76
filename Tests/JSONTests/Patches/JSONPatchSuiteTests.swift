import Foundation
import TestSupport
import Testing

@testable import JSON

/// The cases of github.com/json-patch/json-patch-tests (Apache License 2.0, see the README there), as of commit 2a928f9.
struct JSONPatchSuiteTests {
    private enum Outcome { case passed, disabled, failed(String) }

    @Test(arguments: [("tests.json", 92, 3), ("spec_tests.json", 16, 1)])
    func passes(_ file: String, _ count: Int, _ disabled: Int) throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Data/json-patch-tests")
        let cases = try parse([UInt8](Data(contentsOf: folder.appending(path: file)))).root
        var (passed, skipped) = (0, 0)
        for value in cases.elements {
            switch try outcome(of: value) {
            case .passed: passed += 1
            case .disabled: skipped += 1
            case .failed(let reason): Issue.record("\(value["comment"]?.string ?? "?"): \(reason)\n\(text(value.text))")
            }
        }
        print("json-patch-tests \(file): \(passed) of \(cases.count - skipped) passed, \(skipped) disabled there")
        #expect(passed == count && skipped == disabled && passed + skipped == cases.count)
    }

    private func outcome(of value: JSONValue) throws -> Outcome {
        if value["disabled"]?.isTrue == true { return .disabled }
        let document = try parse(Array(try #require(value["doc"]).text))
        do throws(JSONPatchError) {
            let result = try JSONPatch(Array(value["patch"]?.text ?? [])).apply(to: document)
            guard let expected = value["expected"] else { return .failed("should fail: \(value["error"]?.string ?? "")") }
            guard let root = try? parse(result).root, Model(root) == Model(expected) else { return .failed("gives \(text(result))") }
            return .passed
        } catch {
            return value["error"] == nil ? .failed("fails: \(error)") : .passed
        }
    }
}
