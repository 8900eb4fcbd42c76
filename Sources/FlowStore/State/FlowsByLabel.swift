import FlowModel
import Postgres

/// Flows `f` of a tenant (`$1`) that are not deleted, by their labels.
enum FlowsByLabel {
    /// By the index of labels below their tenant.
    ///
    /// - Parameter labels: a parameter with the labels as JSON.
    static func condition(_ labels: String) -> String {
        """
        f.tenant = $1 AND jsonb_set('{}', ARRAY[f.tenant], f.labels) @> jsonb_set('{}', ARRAY[$1], \(labels)::jsonb) AND f.deleted_at IS NULL
        """
    }

    /// The ids, at most `$3` of them.
    static let ids = Statement(
        name: "flows_by_label",
        sql: "SELECT f.flow_id FROM flowstate.flow f WHERE \(condition("$2")) LIMIT $3", parameterTypes: [.text, .text, .int8])
}

extension FlowsByLabel {
    /// The same of those that have a version with the tag `$4` and one of the values `$5`.
    static let idsOfTagged = Statement(
        name: "flows_by_label_and_tag",
        sql: """
            SELECT DISTINCT f.flow_id FROM unnest($5) t(value)
            CROSS JOIN LATERAL (
                SELECT v.flow_id FROM flowstate.flow_version v
                WHERE v.tags IS NOT NULL AND v.removed_at IS NULL AND v.tenant = $1
                    AND jsonb_set('{}', ARRAY[v.tenant], v.tags) @> jsonb_build_object($1, jsonb_build_object($4, t.value)) OFFSET 0) v
            JOIN flowstate.flow f ON f.tenant = $1 AND f.flow_id = v.flow_id AND f.labels @> $2::jsonb AND f.deleted_at IS NULL
            LIMIT $3
            """, parameterTypes: [.text, .text, .int8, .text, .textArray])
}

extension StateStore {
    /// The ids of the flows that have all of these labels, and a version with one of these values of a tag.
    ///
    /// - Throws: `tooManyFlows` beyond the limit.
    func flows(
        of tenant: String, labels: Labels, tag: (name: String, values: [String])? = nil, limit: Int, for context: OperationContext
    ) async throws(StateError) -> [String] {
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(LabelsJSON.encode(labels))
        parameters.append(Int64(limit) + 1)
        if let tag {
            parameters.append(tag.name)
            parameters.append(texts: tag.values.count) { tag.values[$0] }
        }
        let statement = tag == nil ? FlowsByLabel.ids : FlowsByLabel.idsOfTagged
        let query = Query<[String]>(statement: statement, parameters: parameters) { rows throws(PostgresError) in
            var ids: [String] = []
            for row in 0..<rows.count { ids.append(try rows.text(row, 0)) }
            return ids.count > limit ? .failure(.tooManyFlows(limit: limit)) : .success(ids)
        }
        try context.reserve(limit * limits.idBytes)
        return try await ask(query, for: context)
    }
}
