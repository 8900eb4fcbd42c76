import ArgumentParser
import GRPC

/// The options of every measuring subcommand.
struct LoadOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "The server: host:port, http://host:port or unix:/path. (default: starts one for this run)"))
    var endpoint: String?
    @Option(
        help: ArgumentHelp(
            "The flowstate program to start. (default: the one beside this program)", valueName: "path"))
    var server: String?
    @Option(
        help: ArgumentHelp(
            "The process of the server of --endpoint, on this machine, to report its processor time and its PostgreSQL's.",
            valueName: "pid"))
    var serverProcess: Int32?
    @Option(help: "The tenant whose flows to use.")
    var tenant = "bench"
    @Option(help: "Connections to the server; calls are spread over them evenly.")
    var connections = 4
    @Option(help: "Threads of this program; connections are spread over them evenly.")
    var threads = 1
    @Option(help: "Calls in flight on all connections together; with --rate the most there may be.")
    var inFlight = 128
    @Option(help: "How many flows to use. (default: 1000; of conflict: 4)")
    var flows: Int?
    @Option(
        help: """
            How flows are picked: uniform, all alike; zipf, some far more often than others, as in real services: of 1,000,000 \
            flows a thousand have 61 % of the calls.
            """)
    var distribution = Distribution.uniform
    @Option(help: ArgumentHelp("Size of each state, which is JSON.", valueName: "bytes"))
    var stateSize = 2_048
    @Option(
        help: ArgumentHelp(
            "How much of the text differs between two states, beside their step number; the rest is the same.",
            valueName: "percent"))
    var change = 10
    @Option(help: ArgumentHelp("How long to measure.", valueName: "seconds"))
    var duration = 10.0
    @Option(help: ArgumentHelp("How long to run before measuring.", valueName: "seconds"))
    var warmup = 2.0
    @Option(help: ArgumentHelp("Calls a second, due at even intervals. (default: as many as the server answers)", valueName: "calls"))
    var rate: Double?
    @Option(help: "Chooses flows, operations and states; the same seed chooses the same.")
    var seed: UInt64 = 1
    @Option(help: ArgumentHelp("Write the report as JSON; '-' is standard output.", valueName: "file"))
    var json: String?
    @Option(help: ArgumentHelp("The p99 of every operation must be below this.", valueName: "milliseconds"))
    var p99Limit = 50.0

    mutating func validate() throws {
        func check(_ name: String, _ holds: Bool, _ rule: String) throws {
            guard holds else { throw ValidationError("--\(name) must be \(rule).") }
        }
        try check("connections", (1...1_000).contains(connections), "from 1 to 1000")
        try check("threads", (1...256).contains(threads), "from 1 to 256")
        try check("in-flight", (connections...1_000_000).contains(inFlight), "from one per connection to 1000000")
        try check("flows", (1...1_000_000_000).contains(flows ?? 1), "from 1 to 1000000000")
        try check("state-size", (StateText.smallest...(64 << 20)).contains(stateSize), "from \(StateText.smallest) to 67108864")
        try check("change", (0...100).contains(change), "from 0 to 100")
        try check("duration", duration > 0 && duration <= 86_400, "more than 0 and at most 86400 seconds")
        try check("warmup", warmup >= 0 && warmup <= 86_400, "from 0 to 86400 seconds")
        try check("rate", rate.map { $0 > 0 && $0 <= 10_000_000 } ?? true, "more than 0 and at most 10000000")
        try check("p99-limit", p99Limit > 0 && p99Limit.isFinite, "more than 0")
        if let endpoint, Endpoint(endpoint) == nil {
            throw ValidationError("--endpoint: '\(endpoint)' is not an endpoint; write host:port, http://host:port or unix:/path.")
        }
        if let serverProcess {
            guard endpoint != nil else { throw ValidationError("--server-process goes with --endpoint.") }
            try check(
                "server-process", serverProcess > 0 && ProcessorTime.now(server: serverProcess).server != nil, "a process of this machine")
        }
        if endpoint != nil, server != nil { throw ValidationError("Give --endpoint or --server, not both.") }
    }
}

/// The options of subcommands that may use many flows.
struct PreparationOptions: ParsableArguments, Sendable {
    @Flag(
        help: """
            Create no flows first: they exist already, bench-<state-size>-0 and on (of versions: \
            bench-versions-<state-size>-0 and on, with --depth versions each). A load of one that does not exist is an \
            error, FLOW_NOT_FOUND; a save creates it.
            """)
    var skipPreparation = false
}
