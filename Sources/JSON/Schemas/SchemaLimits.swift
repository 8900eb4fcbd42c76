/// Limits of a schema, and of the patterns in the document that it is part of.
package struct SchemaLimits: Sendable {
    /// Subschemas.
    package var schemas: Int
    /// Different patterns.
    package var patterns: Int
    /// Bytes of one pattern, as spelled.
    package var patternBytes: Int
    /// Memory of one compiled pattern.
    package var patternMemoryBytes: Int

    package init(schemas: Int, patterns: Int, patternBytes: Int, patternMemoryBytes: Int) {
        self.schemas = schemas
        self.patterns = patterns
        self.patternBytes = patternBytes
        self.patternMemoryBytes = patternMemoryBytes
    }
}
