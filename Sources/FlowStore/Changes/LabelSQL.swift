/// The labels that a flow has once those are merged that its definition takes from the state (`LabelChanges`): their number is known to
/// the statement alone, which locks the flow.
struct LabelSQL {
    /// Expressions: what the flow has, and what the merge changes.
    let labels: String
    let changes: String
    /// A parameter: how many a flow may have; NULL when nothing is merged, and then nothing is counted.
    let limit: String

    var merged: String { "jsonb_strip_nulls(\(labels) || \(changes)::jsonb)" }

    /// Whether they are no more than a flow may have. One that has more already, by a limit that was lowered, gets no more than it has.
    var fits: String { "(\(limit) IS NULL OR \(Self.count(merged)) <= greatest(\(limit), \(Self.count(labels))))" }

    /// How many they are when they are too many, else NULL.
    var excess: String { "CASE WHEN NOT \(fits) THEN \(Self.count(merged))::bigint END" }

    /// By a path, since a subquery would be set up by each execution of the statement, whether or not it is run.
    static func count(_ labels: String) -> String { "jsonb_array_length(jsonb_path_query_array(\(labels), '$.keyvalue()'))" }
}
