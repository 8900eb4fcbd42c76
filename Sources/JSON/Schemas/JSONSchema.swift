/// A JSON Schema, draft-07, from a definition: what states must be like. Immutable and safe on any thread: a check writes only to a state
/// of its own.
///
/// Intended differences from other validators:
/// - `$ref` leads to places in the same document only, by pointer, by `$id` or by name. Nothing is ever fetched.
/// - Numbers are compared by their digits, also in `multipleOf`: no rounding, no range. `1.0` is an integer.
/// - A single surrogate counts as one character; patterns see U+FFFD in its place.
/// - Of repeated names the last member counts, as everywhere here.
/// - Patterns are RE2's: neither look-around nor back-references (see `SchemaPattern`).
/// - A check has a budget of steps and of nested schemas (`maximumNesting`). A state that exhausts it breaks the schema: only a state that
///   was checked as a whole is valid.
package final class JSONSchema: Sendable {
    /// All schemas in the document; the first is the root. They refer to each other by their index here.
    let subschemas: [Subschema]
    /// Limits of the server that read it: texts that must be patterns are limited like patterns.
    let limits: SchemaLimits

    /// The most subschemas whose checks may be nested. Keeps a hostile pair of schema and state from exhausting the stack, of which each
    /// takes up to 3 KB in a debug build. Enough for a state as deep as allowed with two for each value.
    static let maximumNesting = 512

    /// The rule that violations name.
    package static let rule = "schema"

    /// Approximate memory in bytes, beside its document and its patterns.
    package let memory: Int

    init(_ subschemas: [Subschema], _ limits: SchemaLimits) {
        self.subschemas = subschemas
        self.limits = limits
        memory = subschemas.count * 512
    }

    /// Adds everything in which a state breaks the schema.
    ///
    /// - Throws: `WorkStopped`, when the call has ended meanwhile. A check that takes more work than the report's budget, or than a state
    ///   of this size may cost, is a violation in the report.
    package func check(_ state: JSONValue, _ report: inout RuleReport) throws(WorkStopped) {
        // The steps grow with the state: small requests get few. Real schemas take less than a tenth of this, except for lists of regular
        // expressions, whose bytes cost as much. Patterns are paid for from the whole budget.
        let part = report.budget.part(steps: 50_000 + 100 * state.size)
        var check = SchemaCheck(self, part, report: report)
        defer { report = check.report }
        do throws(WorkStopped) {
            try check.run(state)
        } catch .exhausted {
            check.giveUp("that would take too long")
        } catch {
            throw error
        }
        try report.budget.spend(min(part.spent, report.budget.left))
    }
}

/// One schema of the document.
struct Subschema: Sendable {
    /// All must hold.
    var keywords: [SchemaKeyword] = []
    /// `false`: no value fits.
    var isNever = false
    /// The index of the subschema to which `$ref` refers; the other keywords are ignored then (draft-07 §8.3).
    var target: Int?
}
