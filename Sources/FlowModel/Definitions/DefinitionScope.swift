/// What all parts of a definition share while it is read. Not for several threads.
final class DefinitionScope {
    let limits: Limits
    /// Reading is linear in the document and paid for at its beginning; what is not, patterns and trials of the definition, as it comes.
    let budget: WorkBudget
    /// It was accepted once, maybe by a server with other limits.
    let isStored: Bool
    var phases = NameSet([])
    var statuses = NameSet([])
    let patterns: DefinitionPatterns
    /// Bytes that the names in it take.
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
    /// - Returns: whether there may be so many more.
    func takesRules(_ count: Int) -> Bool {
        rules += count
        return rules <= limits.definitionRules
    }

    /// Tells the lists apart in which rules look for values.
    func nextList() -> Int {
        lists += 1
        return lists
    }
}

extension Limits {
    /// Limits for accepting a definition are not applied to one that is stored: another server may have larger ones, or an operator may
    /// have lowered them since. What it does is bounded in any case, by `work`.
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

/// The patterns of a definition, each compiled once however often it stands there.
final class DefinitionPatterns {
    private let limits: Limits
    private let isStored: Bool
    private let budget: WorkBudget
    /// By what RE2 is given; nil: it is refused.
    private var compiled: [Name: TextPattern?] = [:]
    private var isFull = false
    /// Why patterns are not compiled any more.
    private(set) var stopped: WorkStopped?

    /// What a stored pattern may take that needs more than the limit.
    private static let maximumMemory = 16 << 20

    init(_ limits: Limits, isStored: Bool, _ budget: WorkBudget) {
        self.limits = limits
        self.isStored = isStored
        self.budget = budget
    }

    /// Instructions and bytes of all of them.
    var instructions: Int { compiled.values.reduce(0) { $0 + ($1?.instructions ?? 0) } }
    var memory: Int { compiled.values.reduce(0) { $0 + ($1?.memory ?? 0) } }

    /// - Parameter expression: the pattern in RE2's syntax.
    /// - Returns: nil with a fault, but for those that were reported already.
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
