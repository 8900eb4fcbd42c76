extension StoreSchema {
    /// Time limits of phases and statuses (`DueSQL`). All columns are NULL in a flow without limits, which adds nothing to its row; the
    /// indexes have only flows with limits, so saves of the others stay HOT, and so do saves that leave phase and status alone.
    ///
    /// - `flow_due` is for finding what is to be reported, `flow_overdue` for lists of what is overdue, reported or not.
    /// - Servers of the release before leave the columns as they are, whatever they change.
    static let overdueMigration = """
        ALTER TABLE flowstate.flow
            ADD COLUMN phase_due_at timestamptz,
            ADD COLUMN status_due_at timestamptz,
            ADD COLUMN due_at timestamptz;
        COMMENT ON COLUMN flowstate.flow.phase_due_at IS 'when the time limit of its phase ends; it stays when that was reported';
        COMMENT ON COLUMN flowstate.flow.status_due_at IS 'when the time limit of its status ends; it stays when that was reported';
        COMMENT ON COLUMN flowstate.flow.due_at IS 'which of both is to be reported next; NULL: none is';
        CREATE INDEX flow_due ON flowstate.flow (due_at) WHERE due_at IS NOT NULL;
        CREATE INDEX flow_overdue ON flowstate.flow (tenant, least(phase_due_at, status_due_at))
            WHERE phase_due_at IS NOT NULL OR status_due_at IS NOT NULL;
        """
}
