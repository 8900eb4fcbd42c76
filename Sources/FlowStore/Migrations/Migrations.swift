import Postgres

/// The schema `flowstate`, step by step. A migration that was released is never edited: the next one changes what it made.
public enum StoreSchema {
    /// The schema that holds every table.
    public static let name = "flowstate"

    /// In order; `Postgres.Migrator` applies those that are missing.
    public static let migrations: [Migration] = [
        Migration(number: 1, name: "flows", sql: flowsMigration)
    ]
}
