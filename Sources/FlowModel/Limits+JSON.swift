import JSON

extension PatchLimits {
    package init(_ limits: Limits) {
        self.init(operations: limits.patchOperations, resultBytes: limits.stateBytes, depth: limits.jsonDepth)
    }
}

extension SchemaLimits {
    init(_ limits: Limits) {
        self.init(
            schemas: limits.definitionSchemas, patterns: limits.definitionPatterns, patternBytes: limits.patternBytes,
            patternMemoryBytes: limits.patternMemoryBytes)
    }
}
