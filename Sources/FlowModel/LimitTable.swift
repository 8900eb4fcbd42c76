/// The limits by the names that operators use: `--limit message-bytes=33554432`, or
/// `FLOWSTATE_LIMIT_MESSAGE_BYTES`.
package enum LimitTable {
    private enum Field {
        case int(WritableKeyPath<Limits, Int> & Sendable)
        case int64(WritableKeyPath<Limits, Int64> & Sendable)
    }

    private static let fields: [(name: String, field: Field)] = [
        ("message-bytes", .int(\.messageBytes)),
        ("state-bytes", .int(\.stateBytes)),
        ("streamed-state-bytes", .int(\.streamedStateBytes)),
        ("part-bytes", .int(\.partBytes)),
        ("part-ms", .int64(\.partMilliseconds)),
        ("chunk-bytes", .int(\.chunkBytes)),
        ("maximum-chunk-bytes", .int(\.maximumChunkBytes)),
        ("upload-hours", .int64(\.uploadHours)),
        ("json-depth", .int(\.jsonDepth)),
        ("metadata-bytes", .int(\.metadataBytes)),
        ("error-details-bytes", .int(\.errorDetailsBytes)),
        ("id-bytes", .int(\.idBytes)),
        ("content-type-bytes", .int(\.contentTypeBytes)),
        ("labels", .int(\.labels)),
        ("label-bytes", .int(\.labelBytes)),
        ("batch-calls", .int(\.batchCalls)),
        ("flows-per-call", .int(\.flowsPerCall)),
        ("version-tags", .int(\.versionTags)),
        ("writes", .int(\.writes)),
        ("write-path-bytes", .int(\.writePathBytes)),
        ("orphan-write-hours", .int64(\.orphanWriteHours)),
        ("lease-ms", .int64(\.leaseMilliseconds)),
        ("minimum-lease-ms", .int64(\.minimumLeaseMilliseconds)),
        ("maximum-lease-ms", .int64(\.maximumLeaseMilliseconds)),
        ("minimum-ttl-ms", .int64(\.minimumTTLMilliseconds)),
        ("maximum-ttl-ms", .int64(\.maximumTTLMilliseconds)),
        ("description-bytes", .int(\.descriptionBytes)),
        ("idempotency-key-bytes", .int(\.idempotencyKeyBytes)),
        ("idempotency-retention-ms", .int64(\.idempotencyRetentionMilliseconds)),
        ("patch-operations", .int(\.patchOperations)),
        ("work", .int(\.work)),
        ("definitions", .int(\.definitions)),
        ("definition-bytes", .int(\.definitionBytes)),
        ("definition-depth", .int(\.definitionDepth)),
        ("definition-phases", .int(\.definitionPhases)),
        ("definition-statuses", .int(\.definitionStatuses)),
        ("definition-rules", .int(\.definitionRules)),
        ("definition-schemas", .int(\.definitionSchemas)),
        ("definition-patterns", .int(\.definitionPatterns)),
        ("pattern-bytes", .int(\.patternBytes)),
        ("pattern-memory-bytes", .int(\.patternMemoryBytes)),
        ("page-size", .int(\.pageSize)),
        ("maximum-page-size", .int(\.maximumPageSize)),
        ("page-bytes", .int(\.pageBytes)),
        ("list-wait-ms", .int64(\.listWaitMilliseconds)),
        ("statistics-age-ms", .int64(\.statisticsAgeMilliseconds)),
        ("watches", .int(\.watches)),
        ("watched-flows", .int(\.watchedFlows)),
        ("watch-interval-ms", .int64(\.watchIntervalMilliseconds)),
        ("watch-events", .int(\.watchEvents)),
        ("watch-event-bytes", .int(\.watchEventBytes)),
        ("bookmark-ms", .int64(\.bookmarkMilliseconds)),
        ("minimum-bookmark-ms", .int64(\.minimumBookmarkMilliseconds)),
        ("memory-bytes", .int(\.memoryBytes)),
        ("queued-computations", .int(\.queuedComputations)),
        ("queued-operations", .int(\.queuedOperations)),
        ("queued-operations-per-flow", .int(\.queuedOperationsPerFlow)),
        ("queued-bytes", .int(\.queuedBytes)),
        ("statement-timeout-ms", .int64(\.statementTimeoutMilliseconds)),
        ("list-timeout-ms", .int64(\.listTimeoutMilliseconds)),
        ("lock-timeout-ms", .int64(\.lockTimeoutMilliseconds)),
        ("lock-wait-ms", .int64(\.lockWaitMilliseconds)),
        ("batch-operations", .int(\.batchOperations)),
        ("batch-bytes", .int(\.batchBytes)),
        ("batched-state-bytes", .int(\.batchedStateBytes)),
        ("batched-change-bytes", .int(\.batchedChangeBytes)),
        ("version-cache-bytes", .int(\.versionCacheBytes)),
        ("patch-depth", .int(\.patchDepth)),
        ("base-fetch-bytes", .int(\.baseFetchBytes)),
        ("default-deadline-ms", .int64(\.defaultDeadlineMilliseconds)),
        ("maximum-deadline-ms", .int64(\.maximumDeadlineMilliseconds)),
        ("notification-hours", .int64(\.notificationHours)),
        ("webhook-timeout-ms", .int64(\.webhookTimeoutMilliseconds)),
        ("webhook-attempts", .int(\.webhookAttempts)),
        ("webhook-age-ms", .int64(\.webhookAgeMilliseconds)),
        ("concurrent-streams", .int(\.concurrentStreams)),
        ("header-list-bytes", .int(\.headerListBytes)),
        ("buffered-bytes-per-connection", .int(\.bufferedBytesPerConnection)),
        ("reader-timeout-ms", .int64(\.readerTimeoutMilliseconds)),
        ("connection-age-ms", .int64(\.connectionAgeMilliseconds)),
        ("connection-age-grace-ms", .int64(\.connectionAgeGraceMilliseconds)),
        ("control-frames-per-second", .int(\.controlFramesPerSecond)),
        ("pings-per-minute", .int(\.pingsPerMinute)),
        ("stream-resets-per-second", .int(\.streamResetsPerSecond)),
        ("handshake-timeout-ms", .int64(\.handshakeTimeoutMilliseconds)),
        ("idle-timeout-ms", .int64(\.idleTimeoutMilliseconds)),
        ("keepalive-time-ms", .int64(\.keepaliveTimeMilliseconds)),
        ("keepalive-timeout-ms", .int64(\.keepaliveTimeoutMilliseconds)),
        ("request-timeout-ms", .int64(\.requestTimeoutMilliseconds)),
        ("arena-bytes", .int(\.arenaBytes)),
        ("connections", .int(\.connections)),
        ("connections-per-peer", .int(\.connectionsPerPeer)),
    ]

    /// Every name, in the order of `Limits`.
    package static var names: [String] { fields.map(\.name) }

    /// Sets a limit; false when there is none of that name.
    package static func set(_ name: String, to value: Int, in limits: inout Limits) -> Bool {
        guard let field = fields.first(where: { $0.name == name })?.field else { return false }
        switch field {
        case .int(let path): limits[keyPath: path] = value
        case .int64(let path): limits[keyPath: path] = Int64(value)
        }
        return true
    }

    /// The value of a limit; nil when there is none of that name.
    package static func value(_ name: String, in limits: Limits) -> Int? {
        switch fields.first(where: { $0.name == name })?.field {
        case .int(let path): limits[keyPath: path]
        case .int64(let path): Int(limits[keyPath: path])
        case nil: nil
        }
    }
}
