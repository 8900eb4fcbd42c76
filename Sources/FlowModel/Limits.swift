import JSON

/// Every limit of the server, in one place. Each is configurable; the defaults suit one machine with a few GiB of memory.
///
/// Sizes are bytes, times are milliseconds, unless a name says otherwise. A value that exceeds a limit is refused with a `StateError`
/// that names the limit (or, for the transport's own limits, with the protocol's error); nothing is ever cut short silently.
package struct Limits: Sendable, Equatable {
    package init() {}

    /// Those of a server that is not told otherwise.
    package static let defaults = Limits()

    // MARK: Messages and states

    /// One gRPC message, before and after decompression.
    package var messageBytes = 16 << 20
    /// One state in one message. A little less than `messageBytes`, so that the fields around it fit.
    package var stateBytes = 15 << 20
    /// One state sent or received as a stream of chunks.
    package var streamedStateBytes = 256 << 20
    /// The parts in which a streamed state larger than a message is stored, 16 MiB at most; what is kept of an upload that breaks off is a multiple of it.
    package var partBytes = 1 << 20
    /// How long a part of an upload may take to arrive once there is much of it: it is in memory until then.
    package var partMilliseconds: Int64 = 300_000
    /// One chunk of a download when the request does not say, and the most that it may say.
    package var chunkBytes = 64 << 10
    package var maximumChunkBytes = 4 << 20
    /// How long an upload can be resumed after its last byte, in hours; then what was received is removed.
    package var uploadHours: Int64 = 24
    /// Arrays and objects nested in a JSON state or in metadata.
    package var jsonDepth = 256
    /// The JSON document that travels with a version.
    package var metadataBytes = 64 << 10

    /// The JSON document that describes a reported error; the metadata of its version keeps all of it.
    package var errorDetailsBytes = 64 << 10

    // MARK: Names

    /// A tenant, a flow id, a flow type, a phase, a status, an actor, a checkpoint or a version label, in UTF-8.
    package var idBytes = 255
    /// A content type.
    package var contentTypeBytes = 255
    /// Labels of one flow.
    package var labels = 64
    /// One label: its name and its value, each.
    package var labelBytes = 256
    /// Saves, or loads, of one batch.
    package var batchCalls = 1_000
    /// Flows that one call reads or deletes by their labels.
    package var flowsPerCall = 1_000
    /// Tags of one version.
    package var versionTags = 8
    /// Pending writes in one call.
    package var writes = 1_000
    /// The path of a pending write. It is part of an index entry, of which PostgreSQL takes 2,704 bytes.
    package var writePathBytes = 1 << 10
    /// How long pending writes wait for their version, in hours; then they are removed.
    package var orphanWriteHours: Int64 = 24
    /// How long a lease lasts when the request does not say; and the bounds of what it may say.
    package var leaseMilliseconds: Int64 = 30_000
    package var minimumLeaseMilliseconds: Int64 = 1_000
    package var maximumLeaseMilliseconds: Int64 = 3_600_000
    /// How long after its last save a flow may be deleted by itself (`ttl`).
    package var minimumTTLMilliseconds: Int64 = 1_000
    package var maximumTTLMilliseconds: Int64 = 10 * 366 * 24 * 3_600 * 1_000
    /// The free text of a checkpoint.
    package var descriptionBytes = 4 << 10
    /// An idempotency key.
    package var idempotencyKeyBytes = 255
    /// How long an idempotency key is remembered at least.
    package var idempotencyRetentionMilliseconds: Int64 = 24 * 3_600 * 1_000

    // MARK: Patches and definitions

    /// Operations in one JSON Patch.
    package var patchOperations = 10_000
    /// Steps of everything that one call computes from its input: reading, validating, patching, comparing. See `WorkBudget`: this is one
    /// to two seconds of a slow processor, and the largest state that fits a message can be opened for half of it.
    package var work = 20_000_000

    /// Flow types of one tenant that have definitions; revisions are not counted.
    package var definitions = 1_000
    /// The document of one definition.
    package var definitionBytes = 1 << 20
    /// Arrays and objects nested in it.
    package var definitionDepth = 64
    /// Its phases.
    package var definitionPhases = 1_000
    /// Its statuses.
    package var definitionStatuses = 1_000
    /// Its rules, those within rules counted.
    package var definitionRules = 1_000
    /// The places of its JSON Schema that are schemas.
    package var definitionSchemas = 10_000
    /// Its patterns: those of rules, and those of its schema, each.
    package var definitionPatterns = 64
    /// One pattern, in UTF-8.
    package var patternBytes = 1_000
    /// Memory of one compiled pattern, with what its searches keep to be faster.
    package var patternMemoryBytes = 256 << 10

    // MARK: Lists

    /// Rows of a page when the request names no size.
    package var pageSize = 50
    /// Rows of a page at most; a request for more gets this many.
    package var maximumPageSize = 1_000
    /// Bytes of documents, metadata and labels in a page, except its first row: less than the 4 MiB that stock clients receive in a
    /// message.
    package var pageBytes = 3 << 20
    /// How long a list, summary or history waits for its turn when many wait; then it is answered OVERLOADED.
    package var listWaitMilliseconds: Int64 = 1_000

    /// The age up to which statistics are answered again instead of being counted again.
    package var statisticsAgeMilliseconds: Int64 = 60_000

    // MARK: Watches

    /// Watches of the server at a time, and loads that wait for a version.
    package var watches = 20_000
    /// Flow ids in one watch.
    package var watchedFlows = 1_000
    /// How often the server looks for changes while anyone watches: the most that this adds to the time until an event is sent.
    package var watchIntervalMilliseconds: Int64 = 20
    /// Events that wait for a watch whose client reads slowly, and their bytes, except the first. Beyond them they are dropped, and read
    /// again when the client has caught up.
    package var watchEvents = 256
    package var watchEventBytes = 128 << 10
    /// The time without a change after which a watch sends a bookmark, when the request does not say; and the shortest it may say.
    package var bookmarkMilliseconds: Int64 = 30_000
    package var minimumBookmarkMilliseconds: Int64 = 1_000

    // MARK: The process

    /// Memory of the process above what it takes idle: caches, and requests, which are messages that arrive, states that are loaded or
    /// computed with, and answers that wait for a reader. Beyond it the newest request is answered OVERLOADED.
    package var memoryBytes = 256 << 20
    /// Shares of `memoryBytes`: definitions that were read, and the directory of definitions that tenants have.
    package var definitionCacheBytes: Int { memoryBytes / 16 }
    package var definitionDirectoryBytes: Int { memoryBytes / 32 }
    /// The share that belongs to no request: buffers of connections to PostgreSQL, memory about to be freed, fragmentation.
    package var commonBytes: Int { memoryBytes / 8 }
    /// The rest, for all requests. A cache of versions of more than an eighth of `memoryBytes` comes on top.
    package var requestBytes: Int {
        memoryBytes - min(versionCacheBytes, memoryBytes / 8) - definitionCacheBytes - definitionDirectoryBytes - commonBytes
    }
    /// Computations waiting for a thread (validation, patches, large messages); beyond it a call is answered OVERLOADED.
    package var queuedComputations = 1_024

    // MARK: Operations

    /// Operations waiting in one connection group to the database; beyond it a call is answered OVERLOADED.
    package var queuedOperations = 4_096
    /// Patches, steps and other changes that are made from the latest version of a flow and wait for their turn at one flow.
    package var queuedOperationsPerFlow = 256
    /// Bytes of the operations that wait in one connection group.
    package var queuedBytes = 64 << 20
    /// One statement of a load or a save: PostgreSQL cancels it after that time.
    package var statementTimeoutMilliseconds: Int64 = 60_000
    /// One statement of a list, a summary or a history.
    package var listTimeoutMilliseconds: Int64 = 30_000
    /// How long one statement waits for a lock of another transaction; then the operations of its batch are tried one by one.
    package var lockTimeoutMilliseconds: Int64 = 2_000
    /// How long an operation waits in all for a flow that another transaction holds; then its call is answered UNAVAILABLE. Patches and
    /// steps of one flow run one after another: one that comes late while another waits has half as long to wait in addition.
    package var lockWaitMilliseconds: Int64 = 5_000
    /// Operations in one database transaction.
    package var batchOperations = 128
    /// Bytes of the parameters of one database transaction, and of the large states that it reads.
    package var batchBytes = 8 << 20
    /// A state up to this size is read at once, together with others; a larger one by a statement of its own that counts against
    /// `batchBytes`, so that what is in memory at a time stays bounded.
    package var batchedStateBytes = 64 << 10
    /// A change that stores more has a separate connection, so that other changes do not wait for it.
    package var batchedChangeBytes = 256 << 10
    /// The newest versions of flows in use, kept in memory. The cache takes up to twice as much more of what requests leave free.
    package var versionCacheBytes = 32 << 20
    /// Versions between a version and the whole state that it is stored against: 2, or 3 for states of 16 KiB to 1 MiB. A database of
    /// release 0.1.0 keeps to 2, since servers of that release cannot read 3 (`flowstate.storage`).
    package var patchDepth = 3
    /// A state from this size on is stored as a patch even when its base is not in the cache: the base is read first.
    package var baseFetchBytes = 8 << 10
    /// The deadline of a call that sets none.
    package var defaultDeadlineMilliseconds: Int64 = 30_000
    /// The longest deadline of a unary call; a longer one is shortened to it.
    package var maximumDeadlineMilliseconds: Int64 = 10 * 60_000

    // MARK: Notifications

    /// How long notifications are kept, in hours, acknowledged or not.
    package var notificationHours: Int64 = 90 * 24
    /// One request to the webhook.
    package var webhookTimeoutMilliseconds: Int64 = 10_000
    /// Attempts to deliver one notification; by their pauses, 16 take some six hours.
    package var webhookAttempts = 16
    /// A notification that is older when its turn comes is not delivered.
    package var webhookAgeMilliseconds: Int64 = 24 * 3_600 * 1_000

    // MARK: Connections

    /// Open streams of one connection (SETTINGS_MAX_CONCURRENT_STREAMS).
    package var concurrentStreams = 1_000
    /// One header list as RFC 9113 §6.5.2 counts it (SETTINGS_MAX_HEADER_LIST_SIZE).
    package var headerListBytes = 16 << 10
    /// Bytes held for one connection in both directions: request bodies being received, replies not yet taken by the peer.
    package var bufferedBytesPerConnection = 64 << 20
    /// A reply is abandoned when its client reads less than 64 KiB of it, or less than the rest, in this time; a connection that reads
    /// nothing at all is closed.
    package var readerTimeoutMilliseconds: Int64 = 30_000
    /// After this time, give or take a tenth, a connection takes no new calls, so that its client opens another one (behind a balancer:
    /// to another server). 0: never.
    package var connectionAgeMilliseconds: Int64 = 0
    /// How long its calls may continue then.
    package var connectionAgeGraceMilliseconds: Int64 = 5 * 60_000
    /// Frames a second without content (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, empty DATA) from one connection, beyond those
    /// that belong to calls and their answers; a burst may have ten times as many. A connection that sends more is closed.
    package var controlFramesPerSecond = 1_000
    /// PING frames a minute from one connection while nothing else is sent to it (gRFC A8); ten times as many at once. A connection that sends
    /// more gets GOAWAY with `too_many_pings`, and is closed.
    package var pingsPerMinute = 60
    /// Streams a second that the client of one connection resets (CVE-2023-44487); a burst may have ten times as many. A connection with
    /// more gets GOAWAY, and is closed when its calls have ended.
    package var streamResetsPerSecond = 200
    /// From accept to the end of TLS and the HTTP/2 preface; and from the beginning of a header section to its end.
    package var handshakeTimeoutMilliseconds: Int64 = 10_000
    /// A connection without streams is closed after this time, and so is a stream whose client neither sends nor reads.
    package var idleTimeoutMilliseconds: Int64 = 5 * 60_000
    /// A silent connection is probed with PING after this time…
    package var keepaliveTimeMilliseconds: Int64 = 60_000
    /// …and closed when no answer came after this one.
    package var keepaliveTimeoutMilliseconds: Int64 = 20_000
    /// From the headers of a call to the end of its request message, or of the first one if it streams.
    package var requestTimeoutMilliseconds: Int64 = 60_000
    /// Memory that decoding one call may take: small wire bytes can become large messages.
    package var arenaBytes = 64 << 20
    /// Open connections of the server, at most as many as its file descriptors allow.
    package var connections = 10_000
    /// Open connections of one address, so that other addresses find a place; unix sockets have no addresses.
    package var connectionsPerPeer = 8_000
}

extension PatchLimits {
    package init(_ limits: Limits) {
        self.init(operations: limits.patchOperations, resultBytes: limits.stateBytes, depth: limits.jsonDepth)
    }
}

extension SchemaLimits {
    init(_ limits: Limits) {
        self.init(
            schemas: limits.definitionSchemas, patterns: limits.definitionPatterns, patternBytes: limits.patternBytes,
            patternMemoryBytes: limits.patternMemoryBytes)
    }
}
