import Postgres

/// The schema `flowstate`, step by step. A migration that was released is never edited: the next one changes what it made.
package enum StoreSchema {
    /// The schema that holds every table.
    package static let name = "flowstate"

    /// For the sessions of a `StateStore`: plans are generic, made once without the parameters, and use keys. A statement that takes its
    /// keys from an array reads a handful of rows, however many the planner expects: it cannot see into the array, and on a table that was
    /// small when the plan was made it would read all of it.
    package static let sessionSettings = [
        "plan_cache_mode": "force_generic_plan", "enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off",
        "jit": "off",
        // A long list must not take the processors of other calls.
        "max_parallel_workers_per_gather": "0",
    ]

    /// For the sessions of `Database.background`, whose statements take long and come rarely: each is planned for its parameters, with room
    /// for sorting.
    package static let backgroundSettings = [
        "plan_cache_mode": "force_custom_plan", "enable_hashjoin": "on", "enable_mergejoin": "on", "enable_seqscan": "on",
        "work_mem": "64MB",
    ]

    /// In order; `Postgres.Migrator` applies those that are missing.
    package static let migrations: [Migration] = [
        Migration(number: 1, name: "flows", sql: flowsMigration),
        Migration(number: 2, name: "compression", sql: compressionMigration),
        Migration(number: 3, name: "keys", sql: keysMigration),
        Migration(number: 4, name: "definitions", sql: definitionsMigration),
        Migration(number: 5, name: "quarantine", sql: quarantineMigration),
        Migration(number: 6, name: "statistics", sql: statisticsMigration),
        Migration(number: 7, name: "retention", sql: retentionMigration),
        Migration(number: 8, name: "notifications", sql: notificationsMigration),
        Migration(number: 9, name: "validation counts", sql: validationCountsMigration),
        Migration(number: 10, name: "definition revision", sql: definitionRevisionMigration),
        Migration(number: 11, name: "order", sql: orderMigration),
        Migration(number: 12, name: "cleanup place", sql: cleanupPlaceMigration),
        Migration(number: 13, name: "definition digest", sql: definitionDigestMigration),
        Migration(number: 14, name: "definition changes", sql: definitionChangesMigration),
        Migration(number: 15, name: "cleanup tenant", sql: cleanupTenantMigration),
        Migration(number: 16, name: "patch depth", sql: patchDepthMigration),
        Migration(number: 17, name: "version order", sql: versionOrderMigration),
        Migration(number: 18, name: "tenant labels", sql: tenantLabelsMigration),
        Migration(number: 19, name: "writes", sql: writesMigration),
        Migration(number: 20, name: "leases", sql: leasesMigration),
        Migration(number: 21, name: "version tags", sql: versionTagsMigration),
        Migration(number: 22, name: "lives", sql: livesMigration),
        Migration(number: 23, name: "removed versions", sql: removedVersionsMigration),
        Migration(number: 24, name: "transactions", sql: transactionsMigration),
        Migration(number: 25, name: "expiry", sql: expiryMigration),
        Migration(number: 26, name: "uploads", sql: uploadsMigration),
        Migration(number: 27, name: "overdue", sql: overdueMigration),
    ]
}
