import FlowTransfer

extension ImportTally {
    func record(events: Int64, isDryRun: Bool) -> Record {
        Record([
            ("dry_run", .bool(isDryRun)), ("flows", .integer(flows)), ("created", .integer(created)), ("continued", .integer(continued)),
            ("unchanged", .integer(unchanged)), ("conflicts", .integer(conflicts)), ("refused", .integer(refused)),
            ("different", .integer(different)), ("without_labels", .integer(withoutLabels)), ("renumbered", .integer(renumbered)),
            ("versions_saved", .integer(savedVersions)),
            ("versions_without_origin", .integer(versionsWithoutOrigin)), ("checkpoints_created", .integer(savedCheckpoints)),
            ("writes_stored", .integer(savedWrites)),
            ("events_not_imported", .integer(events)), ("problems", .strings(problems)),
        ])
    }
}
