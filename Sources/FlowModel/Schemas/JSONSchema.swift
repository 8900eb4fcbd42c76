/// A JSON Schema, draft-07, that was read from a definition: what states must be like. Read once, never changed, safe on any thread:
/// everything that a check writes to is its own.
///
/// What differs from other validators, on purpose:
/// - `$ref` leads to places in the same document only, by pointer, by `$id` or by name. Nothing is ever fetched.
/// - Numbers are compared by their digits, also in `multipleOf`: no rounding, no range. `1.0` is an integer.
/// - A single surrogate counts as one character; patterns see U+FFFD in its place.
/// - Of repeated names the last member counts, as everywhere here.
/// - Patterns are RE2's: neither look-around nor back-references (see `SchemaPattern`).
/// - A check has a budget of steps and of schemas in each other (`maximumNesting`). A state that exhausts it breaks the schema: only a
///   state that was checked as a whole is valid.
public final class JSONSchema: Sendable {
    /// Every place of the schema that is one; the first is the root. They name each other by their place here.
    let subschemas: [Subschema]
    /// Of the server that read it: texts that must be patterns have those of patterns.
    let limits: Limits

    /// Subschemas that are in the midst of being held against a value and what is in it. Stands between a hostile pair of schema and state
    /// and the end of the stack: each takes up to 3 KB of it in a debug build. Enough for a state as deep as allowed with two for each value.
    static let maximumNesting = 512

    /// The rule that violations name.
    static let rule = "schema"

    /// Bytes that it takes beside its document and its patterns, about.
    let memory: Int

    init(_ subschemas: [Subschema], _ limits: Limits) {
        self.subschemas = subschemas
        self.limits = limits
        memory = subschemas.count * 512
    }

    /// Adds everything in which a state breaks the schema.
    ///
    /// - Throws: `WorkStopped`, when the call has ended meanwhile. A schema that takes more work than the report's budget, or than a state of
    ///   this size may ask for, is a violation in the report.
    func check(_ state: JSONValue, _ report: inout RuleReport) throws(WorkStopped) {
        // The steps grow with the state: small requests get little. Real schemas take less than a tenth of this, except for lists of
        // regular expressions, whose bytes cost as much. Patterns are paid for from the whole budget.
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
    /// `false`: nothing fits.
    var isNever = false
    /// The place of the subschema that `$ref` means; then there is nothing else here (draft-07 §8.3).
    var target: Int?
}
