/// The labels of a flow after merging those that its definition derives from the state (`LabelChanges`). Only the statement, which locks
/// the flow, knows how many they are.
struct LabelSQL {
    /// Expressions: the flow's labels, and the changes to merge.
    let labels: String
    let changes: String
    /// A parameter: how many labels a flow may have; NULL when nothing is merged, and then nothing is counted.
    let limit: String

    var merged: String { "jsonb_strip_nulls(\(labels) || \(changes)::jsonb)" }

    /// Whether the flow may have so many labels. One that already has more, because the limit was lowered, may keep as many as it has.
    var fits: String { "(\(limit) IS NULL OR \(Self.count(merged)) <= greatest(\(limit), \(Self.count(labels))))" }

    /// The number of labels when they are too many, else NULL.
    var excess: String { "CASE WHEN NOT \(fits) THEN \(Self.count(merged))::bigint END" }

    /// By a path: a subquery would be set up by each execution of the statement, even if it is not run.
    static func count(_ labels: String) -> String { "jsonb_array_length(jsonb_path_query_array(\(labels), '$.keyvalue()'))" }
}
