import JSON

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
    let patterns: PatternTable
    /// Memory of the sets of names.
    private(set) var namesMemory = 0
    private var rules = 0
    private var lists = 0

    init(_ limits: Limits, isStored: Bool, _ budget: WorkBudget) {
        self.limits = isStored ? limits.ofStoredDefinitions : limits
        self.budget = budget
        self.isStored = isStored
        patterns = PatternTable(SchemaLimits(self.limits), isStored: isStored, budget)
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
