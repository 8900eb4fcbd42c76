extension StoreSchema {
    /// The lease of a flow, in its head: a save compares the token in the row that it locks anyway. All are NULL until a lease is taken, which
    /// adds nothing to the row.
    static let leasesMigration = """
        ALTER TABLE flowstate.flow
            ADD COLUMN lease_token bigint,
            ADD COLUMN lease_holder text COLLATE "C",
            ADD COLUMN lease_acquired_at timestamptz,
            ADD COLUMN lease_expires_at timestamptz;
        COMMENT ON COLUMN flowstate.flow.lease_token IS 'the fencing token of the last lease; only grows';
        COMMENT ON COLUMN flowstate.flow.lease_holder IS 'who holds the lease, or held it when it ran out; NULL: it was given back';
        """
}
