import FlowModel
import Postgres

/// What a deleted flow has by name, which its next life uses anew: pending writes are removed, and checkpoints keep only their ids.
enum EarlierLife {
    /// Before the statement that revives the flow, behind `HeadLock`.
    static func end(of key: FlowKey, into pipeline: inout Pipeline) {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        pipeline.execute(statement, parameters)
    }

    static let statement = Statement(
        name: "end_earlier_life",
        sql: """
            WITH ended AS MATERIALIZED (
                SELECT FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id = $2 AND f.deleted_at IS NOT NULL AND \(HeadLock.isHeld)),
            writes AS (
                DELETE FROM flowstate.flow_write w WHERE w.tenant = $1 AND w.flow_id = $2 AND EXISTS (SELECT FROM ended))
            UPDATE flowstate.checkpoint c SET name = NULL
            WHERE c.tenant = $1 AND c.flow_id = $2 AND c.name IS NOT NULL AND EXISTS (SELECT FROM ended)
            """, parameterTypes: [.text, .text])
}
