/// The patterns of a document, each compiled once however often it occurs.
package final class PatternTable {
    private let limits: SchemaLimits
    private let isStored: Bool
    private let budget: WorkBudget
    /// By the expression that RE2 gets; nil: RE2 refused it.
    private var compiled: [Name: TextPattern?] = [:]
    private var isFull = false
    /// Why no more patterns are compiled.
    package private(set) var stopped: WorkStopped?

    /// The memory of a stored pattern that needs more than the limit.
    private static let maximumMemory = 16 << 20

    package init(_ limits: SchemaLimits, isStored: Bool, _ budget: WorkBudget) {
        self.limits = limits
        self.isStored = isStored
        self.budget = budget
    }

    /// Instructions of all patterns together.
    package var instructions: Int { compiled.values.reduce(0) { $0 + ($1?.instructions ?? 0) } }
    package var memory: Int { compiled.values.reduce(0) { $0 + ($1?.memory ?? 0) } }

    /// - Parameter expression: the pattern in RE2's syntax.
    /// - Returns: nil with a fault, or without one when the cause is reported elsewhere (too many patterns, a stopped budget).
    package func compile(_ source: String, as expression: String) -> (pattern: TextPattern?, fault: String?) {
        if let known = compiled[Name(expression)] { return (known, known == nil ? "is refused as above" : nil) }
        if source.utf8.count > limits.patternBytes {
            return (nil, "is \(source.utf8.count) bytes, the limit is \(limits.patternBytes)")
        }
        if isFull || stopped != nil { return (nil, nil) }
        if compiled.count >= limits.patterns {
            isFull = true
            return (nil, "is one too many; the limit is \(limits.patterns)")
        }
        do throws(WorkStopped) {
            try budget.spend(TextPattern.compilingSteps(expression, memory: limits.patternMemoryBytes))
        } catch {
            stopped = error
            return (nil, nil)
        }
        do throws(TextPattern.Fault) {
            let pattern = try compile(expression)
            compiled[Name(expression)] = .some(pattern)
            return (pattern, nil)
        } catch {
            compiled[Name(expression)] = .some(nil)
            return (nil, "is not a regular expression of RE2, or too large a one: \(error.message)")
        }
    }

    private func compile(_ expression: String) throws(TextPattern.Fault) -> TextPattern {
        var memory = limits.patternMemoryBytes
        while true {
            do throws(TextPattern.Fault) {
                return try TextPattern(expression, memory: memory)
            } catch {
                guard isStored, memory < Self.maximumMemory else { throw error }
                memory = Self.maximumMemory
            }
        }
    }
}
