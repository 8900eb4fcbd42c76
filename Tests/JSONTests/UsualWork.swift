@testable import JSON

// What tests compute when the work is not what they are about.

extension WorkBudget {
    static let usualSteps = 20_000_000
    static var usual: WorkBudget { WorkBudget(steps: usualSteps) }
}

extension PatchLimits {
    static let usual = PatchLimits(operations: 10_000, resultBytes: 16 << 20, depth: 256)
}

extension SchemaLimits {
    static let usual = SchemaLimits(schemas: 10_000, patterns: 64, patternBytes: 1_000, patternMemoryBytes: 256 << 10)
}

extension JSONPatch {
    init(_ bytes: [UInt8], limits: PatchLimits = .usual) throws(JSONPatchError) {
        try self.init(bytes, limits: limits, budget: .usual)
    }

    func apply(to document: JSONDocument) throws(JSONPatchError) -> [UInt8] { try apply(to: document, budget: .usual) }
}

extension MergePatch {
    static func apply(_ patch: JSONDocument, to document: JSONDocument) throws(WorkStopped) -> [UInt8] {
        try apply(patch, to: document, budget: .usual)
    }
}

extension JSONDiff {
    static func patch(from old: JSONDocument, to new: JSONDocument) throws(WorkStopped) -> [UInt8] {
        try patch(from: old, to: new, budget: .usual)
    }
}
