import FlowModel
import Postgres

/// The columns that a save writes: one table, of which the statement of a single save (`SaveSQL`) and that of many (`SaveGroupSQL`) are
/// made. A new column is an entry here, its value an entry in `SaveParameters`, beside the migration.
enum SaveColumns {
    /// A column of `flow`.
    struct Head: Sendable {
        let name: String
        /// Its value in a flow that the save creates.
        let created: @Sendable (SaveHeadSQL) -> String
        /// Its value in a flow that exists (`f`); nil: it stays.
        let updated: @Sendable (SaveHeadSQL) -> String?

        fileprivate init(
            _ name: String, created: @escaping @Sendable (SaveHeadSQL) -> String,
            updated: @escaping @Sendable (SaveHeadSQL) -> String? = { _ in nil }
        ) {
            self.name = name
            self.created = created
            self.updated = updated
        }

        /// A text that stays when the save has none, and is empty in a new flow.
        fileprivate static func text(_ name: String, _ value: SaveValue) -> Head {
            Head(name, created: { "coalesce(\($0[value]), '')" }, updated: { "coalesce(\($0[value]), f.\(name))" })
        }
    }

    static let heads =
        usualHeads
        + DueSQL.columns.map { due in Head(due, created: { $0.newDue.created(due) }, updated: { $0.rare ? $0.due.updated(due) : nil }) }

    private static let usualHeads = [
        Head("tenant", created: { $0[.tenant] }),
        Head("flow_id", created: { $0[.flowID] }),
        Head("version", created: { $0.count }, updated: { "f.version + \($0.count)" }),
        Head("flow_type", created: { "coalesce(\($0[.flowType]), '')" }),
        .text("phase", .phase),
        .text("status", .status),
        Head("progress", created: { $0[.progress] }, updated: { "coalesce(\($0[.progress]), f.progress)" }),
        Head(
            "labels", created: { "coalesce(\($0[.labels])::jsonb, jsonb_strip_nulls(\($0[.labelChanges])::jsonb), '{}')" },
            updated: { "coalesce(\($0[.labels])::jsonb, \($0.labels.merged), f.labels)" }),
        Head("created_at", created: { _ in "statement_timestamp()" }),
        // A version is never older than the one before, whatever the clock does.
        Head("updated_at", created: { _ in "statement_timestamp()" }, updated: { _ in "greatest(statement_timestamp(), f.updated_at)" }),
        Head(
            "checkpoint_epoch", created: { "\($0.epoch)" },
            updated: { $0.epoch == 0 ? nil : "f.checkpoint_epoch + \($0.epoch)" }),
        Head(
            "definition_revision", created: { $0[.revision] },
            updated: { head in
                head.kind.map {
                    "CASE WHEN \($0) = \(VersionKind.definitionMoved.rawValue) THEN \(head[.revision]) ELSE f.definition_revision END"
                }
            }),
        Head("ttl_ms", created: { $0.newTTL }, updated: { $0.rare ? $0.keptTTL : nil }),
        // Every save renews it.
        Head(
            "expires_at", created: { ExpirySQL.end("statement_timestamp()", ttl: $0.newTTL) },
            updated: { ExpirySQL.end("greatest(statement_timestamp(), f.updated_at)", ttl: $0.rare ? $0.keptTTL : "f.ttl_ms") }),
    ]

    /// A column of `flow_version`.
    struct Version: Sendable {
        let name: String
        /// Whether it is NULL in most versions (`SaveParameter.isRare`).
        let isRare: Bool
        let value: @Sendable (SaveVersionSQL) -> String

        fileprivate init(_ name: String, isRare: Bool = false, _ value: @escaping @Sendable (SaveVersionSQL) -> String) {
            self.name = name
            self.isRare = isRare
            self.value = value
        }
    }

    static let versions = [
        Version("tenant") { $0.head(.tenant) },
        Version("flow_id") { $0.head(.flowID) },
        Version("version") { $0.number },
        Version("parent_version") { $0.parentOrLabelled },
        Version("size") { $0.row(.size) },
        Version("created_at") { _ in "h.updated_at" },
        Version("progress") { $0.carried(.rowProgress, "h.progress") },
        // The first version of a flow is always of the kind "created".
        Version("kind") { "CASE \($0.number) WHEN 1 THEN \(VersionKind.created.rawValue)::smallint ELSE \($0.row(.kind)) END" },
        Version("codec") { $0.row(.codec) },
        Version("digest") { $0.row(.digest) },
        Version("actor") { $0.row(.actor) },
        Version("content_type") { $0.row(.contentType) },
        Version("phase") { $0.carried(.rowPhase, "h.phase") },
        Version("status") { $0.carried(.rowStatus, "h.status") },
        Version("version_label") { $0.row(.versionLabel) },
        Version("metadata") { $0.row(.metadata) },
        Version("parent_label", isRare: true) { $0.row(.parentLabel) },
        Version("tags", isRare: true) { "\($0.row(.tags))::jsonb" },
        Version("base_version") { $0.row(.rowBase) },
        Version("state") { $0.row(.state) },
    ]
}

/// What the columns of a head are made of.
struct SaveHeadSQL {
    /// The expression of a value.
    let value: (SaveValue) -> String
    /// How many versions are written, an expression.
    var count = "1"
    /// What the save adds to `checkpoint_epoch`.
    var epoch = 0
    /// The expression of the version's kind, if it may be that of a flow that moves to another definition.
    var kind: String?
    /// See `DueSQL`.
    var reported: String?
    /// Whether some save may have a value that few have (`SaveParameter.isRare`).
    var rare = true
    /// The parameter with the limit of a flow's labels; NULL: none are merged.
    let labelLimit: String

    subscript(_ value: SaveValue) -> String { self.value(value) }

    var labels: LabelSQL { LabelSQL(labels: "f.labels", changes: self[.labelChanges], limit: labelLimit) }

    /// The time to live of a flow that the save creates, and of one that exists (`f`).
    fileprivate var newTTL: String { rare ? "nullif(\(self[.ttl]), 0)" : "NULL::bigint" }
    fileprivate var keptTTL: String { ExpirySQL.ttl(self[.ttl], before: "f.ttl_ms") }

    /// The time limits of the flow. Usual statements do not set them: PostgreSQL makes a statement's expressions ready each time it runs.
    fileprivate var due: DueSQL {
        DueSQL(
            phase: self[.phase], status: self[.status], limits: rare ? (self[.phaseLimit], self[.statusLimit]) : nil,
            restart: rare ? kind.map { "\($0) = \(VersionKind.definitionMoved.rawValue)" } : nil, reported: reported)
    }
    fileprivate var newDue: DueSQL {
        var due = due
        due.time = "statement_timestamp()"
        return due
    }

    /// Up to the rows.
    var insertion: String {
        let columns = SaveColumns.heads
        return """
            INSERT INTO flowstate.flow AS f (\(columns.map(\.name).joined(separator: ", ")))
            SELECT \(columns.map { $0.created(self) }.joined(separator: ", "))
            """
    }

    /// Up to the condition.
    var update: String {
        let changes = SaveColumns.heads.compactMap { column in column.updated(self).map { "\(column.name) = \($0)" } }
        return "SET " + changes.joined(separator: ", ")
    }

    /// Up to the condition, of a deleted flow that becomes what `insertion` would make.
    var revival: String {
        let kept = ["tenant", "flow_id", "version", "created_at", "updated_at", "checkpoint_epoch"]
        let changes = SaveColumns.heads.filter { !kept.contains($0.name) }.map { "\($0.name) = \($0.created(self))" }
        return """
            SET version = f.version + 1, updated_at = greatest(statement_timestamp(), f.updated_at),
                checkpoint_epoch = f.checkpoint_epoch + \(epoch), deleted_at = NULL, history_gone = false, first_version = f.version + 1,
                \(changes.joined(separator: ", "))
            """
    }

    /// Whether the flow `f` may be changed. A base must exist: it may have been pruned, or never have been in this database. From the floor
    /// on, every version exists.
    var isChangeable: String { isUsuallyChangeable + " AND " + (rare ? allowsLease : leavesLimits) }

    var isUsuallyChangeable: String {
        """
        f.deleted_at IS NULL AND (\(self[.flowType]) IS NULL OR f.flow_type = \(self[.flowType]))
            AND (\(self[.base]) IS NULL OR \(self[.base]) BETWEEN f.base_floor AND f.version)
        """
    }

    /// Whether a usual statement, which does not set time limits, may change the flow `f`.
    var leavesLimits: String { due.isLeftAlone }

    /// Whether the lease of the flow `f` is the one that the save has, if it has one.
    var allowsLease: String { LeaseSQL.allows(self[.leaseToken]) }

    /// Whether the flow `f` is at the version that the save expects.
    var isExpected: String { "(\(self[.expected]) IS NULL OR f.version = \(self[.expected]))" }

    /// What a version needs of the head (`head h`).
    var returning: String { "f.version, f.phase, f.status, f.progress, f.updated_at" + (rare ? ", f.first_version" : "") }
}

/// What the columns of a version are made of.
struct SaveVersionSQL {
    /// The expression of a value of the head, or of the row.
    let head: (SaveValue) -> String
    let row: (SaveValue) -> String
    /// The expressions of the version's number and its parent's.
    let number: String
    let parent: String
    /// Whether some save may have a value that few have (`SaveParameter.isRare`).
    var rare = true

    /// The parent, by its label if that is given: of several versions with it the newest, or none.
    fileprivate var parentOrLabelled: String {
        guard rare else { return parent }
        return """
            CASE WHEN \(row(.parentLabel)) IS NULL THEN \(parent) ELSE (
                SELECT p.version FROM flowstate.flow_version p WHERE p.tenant = \(head(.tenant)) AND p.flow_id = \(head(.flowID))
                    AND p.version_label = \(row(.parentLabel)) AND p.version >= h.first_version AND p.removed_at IS NULL
                ORDER BY p.version DESC LIMIT 1) END
            """
    }

    /// The value that the row has of its own, or else that of the head.
    let carried: (SaveValue, String) -> String

    /// - Parameter source: what comes behind FROM; the head is `h`.
    func insertion(from source: String) -> String {
        let columns = SaveColumns.versions.filter { rare || !$0.isRare }
        return """
            INSERT INTO flowstate.flow_version (\(columns.map(\.name).joined(separator: ", ")))
            SELECT \(columns.map { $0.value(self) }.joined(separator: ", "))
            FROM \(source)
            """
    }
}
