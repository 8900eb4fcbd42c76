/// State that all parts of a definition share while it is read. Not thread-safe.
final class DefinitionScope {
    let limits: Limits
    /// Charged at the start for reading, which is linear in the document; for patterns and trials of the definition, which are not, as they
    /// come.
    let budget: WorkBudget
    /// The document was accepted before, perhaps by a server with other limits.
    let isStored: Bool
    var phases = NameSet([])
    var statuses = NameSet([])
    let patterns: DefinitionPatterns
    /// Memory of the sets of names.
    private(set) var namesMemory = 0
    private var rules = 0
    private var lists = 0

    init(_ limits: Limits, isStored: Bool, _ budget: WorkBudget) {
        self.limits = isStored ? limits.ofStoredDefinitions : limits
        self.budget = budget
        self.isStored = isStored
        patterns = DefinitionPatterns(self.limits, isStored: isStored, budget)
    }

    func names(_ names: [String]) -> NameSet {
        let set = NameSet(names)
        namesMemory += set.memory
        return set
    }

    /// Counts rules before they are read.
    ///
    /// - Returns: false when the definition has too many.
    func takesRules(_ count: Int) -> Bool {
        rules += count
        return rules <= limits.definitionRules
    }

    /// A number that tells apart the lists in which rules look for values.
    func nextList() -> Int {
        lists += 1
        return lists
    }
}

extension Limits {
    /// The limits for new definitions do not apply to a stored one: another server may have larger limits, or an operator may have lowered
    /// them since. `work` bounds its use in any case.
    fileprivate var ofStoredDefinitions: Limits {
        var limits = self
        limits.definitionBytes = .max
        limits.definitionDepth = max(definitionDepth, 256)
        limits.definitionPhases = .max
        limits.definitionStatuses = .max
        limits.definitionRules = .max
        limits.definitionSchemas = .max
        limits.definitionPatterns = .max
        limits.patternBytes = .max
        limits.idBytes = .max
        limits.descriptionBytes = .max
        limits.labels = .max
        limits.labelBytes = .max
        return limits
    }
}

/// The patterns of a definition, each compiled once however often it occurs.
final class DefinitionPatterns {
    private let limits: Limits
    private let isStored: Bool
    private let budget: WorkBudget
    /// By the expression that RE2 gets; nil: RE2 refused it.
    private var compiled: [Name: TextPattern?] = [:]
    private var isFull = false
    /// Why no more patterns are compiled.
    private(set) var stopped: WorkStopped?

    /// The memory of a stored pattern that needs more than the limit.
    private static let maximumMemory = 16 << 20

    init(_ limits: Limits, isStored: Bool, _ budget: WorkBudget) {
        self.limits = limits
        self.isStored = isStored
        self.budget = budget
    }

    /// Instructions of all patterns together.
    var instructions: Int { compiled.values.reduce(0) { $0 + ($1?.instructions ?? 0) } }
    var memory: Int { compiled.values.reduce(0) { $0 + ($1?.memory ?? 0) } }

    /// - Parameter expression: the pattern in RE2's syntax.
    /// - Returns: nil with a fault, or without one when the cause is reported elsewhere (too many patterns, a stopped budget).
    func compile(_ source: String, as expression: String) -> (pattern: TextPattern?, fault: String?) {
        if let known = compiled[Name(expression)] { return (known, known == nil ? "is refused as above" : nil) }
        if source.utf8.count > limits.patternBytes {
            return (nil, "is \(source.utf8.count) bytes, the limit is \(limits.patternBytes)")
        }
        if isFull || stopped != nil { return (nil, nil) }
        if compiled.count >= limits.definitionPatterns {
            isFull = true
            return (nil, "is one too many; the limit is \(limits.definitionPatterns)")
        }
        do throws(WorkStopped) {
            try budget.spend(TextPattern.compilingSteps(expression))
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
