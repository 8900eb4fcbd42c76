import Foundation

/// What a run measured; its JSON is the report of `--json`. Times are in milliseconds, rates in calls a second.
struct Report: Encodable, Sendable {
    struct Configuration: Encodable, Sendable {
        let connections, threads, inFlight, flows, stateSize, change: Int
        /// For the command that has it: --loads, --depth, --turns.
        let loads, depth, turns: Int?
        let duration, warmup: Double
        /// Nil: a closed loop.
        let rate: Double?
        let distribution: Distribution
        let seed: UInt64
        let tenant: String
    }

    /// What a conversation left in the server.
    struct Conversation: Encodable, Sendable {
        let flowId, tenant: String
        let turns: Int
        /// The lengths of all its states together.
        let rawBytes: Int
    }

    struct Server: Encodable, Sendable {
        let endpoint: String
        let version: String?
        /// Whether it was started for this run.
        let started: Bool
    }

    struct Failure: Encodable, Sendable {
        let count: Int
        let message: String
    }

    struct Operation: Encodable, Sendable {
        let count, errors: Int
        let rate, meanMs, p50Ms, p90Ms, p99Ms, p999Ms, maxMs: Double
        let failures: [String: Failure]

        enum CodingKeys: String, CodingKey {
            case count, errors, rate
            case meanMs = "mean_ms"
            case p50Ms = "p50_ms"
            case p90Ms = "p90_ms"
            case p99Ms = "p99_ms"
            case p999Ms = "p999_ms"
            case maxMs = "max_ms"
            case failures = "errors_by_reason"
        }
    }

    let command: String
    /// When the run ended.
    let time: Date
    /// `closed`: latency counts from when a call was sent. `open`: from when it was due.
    let loop: String
    let server: Server
    let configuration: Configuration
    /// By name; only those that the command makes.
    let operations: [String: Operation]
    /// From the end of the warm-up to the last answer.
    let seconds: Double
    /// Processor time in that time, user and system: of this program, of the server and of its PostgreSQL, where these are known.
    let clientCpuSeconds: Double
    let serverCpuSeconds, postgresCpuSeconds: Double?
    /// Nil for every other command.
    let conversation: Conversation?
    /// Calls of an open loop that were due and never sent, because --in-flight calls were waiting for answers.
    let unsent: Int
    let p99LimitMs: Double
    let passed: Bool
    let exitCode: Int32
}

extension Report {
    init(
        command: String, options: LoadOptions, scenario: Scenario, server: BenchServer, measurement: Measurement,
        usage: Usage, conversation: Conversation?
    ) {
        self.command = command
        time = Date()
        loop = options.rate == nil || conversation != nil ? "closed" : "open"
        self.server = Server(endpoint: "\(server.endpoint)", version: server.version, started: options.endpoint == nil)
        configuration = Configuration(options, scenario)
        let seconds = usage.seconds
        let found = scenario.operations.filter { !scenario.optional.contains($0) || measurement[$0].count > 0 }
        operations = Dictionary(uniqueKeysWithValues: found.map { ($0.name, Operation(measurement[$0], seconds: seconds)) })
        self.seconds = seconds
        clientCpuSeconds = usage.processor.client
        (serverCpuSeconds, postgresCpuSeconds) = (usage.processor.server, usage.processor.postgres)
        self.conversation = conversation
        unsent = measurement.unsent
        p99LimitMs = options.p99Limit
        let hasErrors = operations.values.contains { $0.errors > 0 || $0.count == 0 }
        let isSlow = operations.values.contains { $0.p99Ms >= options.p99Limit }
        passed = !hasErrors && !isSlow
        exitCode = hasErrors ? 2 : isSlow ? 1 : 0
    }
}

extension Report.Operation {
    fileprivate init(_ measured: OperationMeasurement, seconds: Double) {
        count = measured.count
        errors = measured.errors
        rate = seconds > 0 ? Double(count) / seconds : 0
        meanMs = measured.meanMilliseconds
        p50Ms = measured.milliseconds(percentile: 50)
        p90Ms = measured.milliseconds(percentile: 90)
        p99Ms = measured.milliseconds(percentile: 99)
        p999Ms = measured.milliseconds(percentile: 99.9)
        maxMs = measured.maximumMilliseconds
        failures = measured.failures.mapValues { Report.Failure(count: $0.count, message: $0.message) }
    }
}

extension Report.Configuration {
    fileprivate init(_ options: LoadOptions, _ scenario: Scenario) {
        if case .conversation = scenario {
            // The values that apply, instead of the options that do not.
            (connections, threads, inFlight, stateSize, change) = (1, 1, 1, 0, 0)
            (duration, warmup, rate) = (0, 0, nil)
        } else {
            (connections, threads, inFlight) = (options.connections, options.threads, options.inFlight)
            (stateSize, change) = (options.stateSize, options.change)
            (duration, warmup, rate) = (options.duration, options.warmup, options.rate)
        }
        (seed, tenant, distribution) = (options.seed, options.tenant, options.distribution)
        flows = scenario.flows(options.flows)
        if case .random(let percent) = scenario { loads = percent } else { loads = nil }
        if case .versions(let versions) = scenario { depth = versions } else { depth = nil }
        if case .conversation(let all, _) = scenario { turns = all } else { turns = nil }
    }
}
