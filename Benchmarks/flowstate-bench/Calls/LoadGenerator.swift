import GRPC

/// All connections of a run, on the threads that the options ask for.
struct LoadGenerator: Sendable {
    struct Result: Sendable {
        let measurement: Measurement
        let usage: Usage
    }

    let server: BenchServer
    let tenant: String
    let connections, threads, inFlight: Int
    let warmup: Double
    /// Nil: until the call generators have no more calls.
    let duration: Double?
    let rate: Double?
    let seed: UInt64

    /// - Parameter duration: nil for a closed loop that makes all calls that the call generators have.
    init(_ options: LoadOptions, _ server: BenchServer, warmup: Double, duration: Double?) {
        self.server = server
        (tenant, seed) = (options.tenant, options.seed)
        (connections, threads, inFlight) = (options.connections, options.threads, options.inFlight)
        (self.warmup, self.duration) = (warmup, duration)
        rate = duration == nil ? nil : options.rate
    }

    init(oneCallAtATime options: LoadOptions, _ server: BenchServer) {
        self.server = server
        (tenant, seed) = (options.tenant, options.seed)
        (connections, threads, inFlight) = (1, 1, 1)
        (warmup, duration, rate) = (0, nil, nil)
    }

    /// Connects, then makes the calls of each connection's call generator.
    /// - Throws: `BenchError.cannotConnect`, `CancellationError`.
    func run(_ generator: @escaping @Sendable (_ connection: Int, _ connections: Int) -> (any CallGenerator)?) async throws -> Result {
        let sockets = try await onThread { try (0..<connections).map { _ in try Socket.connect(to: server.endpoint) } }
        let start = monotonicNow()
        let measureFrom = start + Int64(warmup * 1e9)
        let stop = Stop()
        let results = try await withTaskCancellationHandler {
            try await withThrowingTaskGroup(of: Worker.Result.self) { tasks in
                for thread in 0..<min(threads, connections) {
                    tasks.addTask {
                        try await onThread {
                            let recorder = Recorder(start: measureFrom)
                            let loads = try stride(from: thread, to: connections, by: threads).compactMap { index in
                                try generator(index, connections).map {
                                    try connectionLoad(
                                        index, $0, sockets[index], schedule(index, start: start, measureFrom: measureFrom), recorder)
                                }
                            }
                            return Worker(loads: loads, recorder: recorder, measureFrom: measureFrom, stop: stop, server: server.process)
                                .run()
                        }
                    }
                }
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
        } onCancel: {
            stop.set()
        }
        try Task.checkCancellation()
        return summary(results, measureFrom)
    }

    private func connectionLoad(
        _ index: Int, _ generator: any CallGenerator, _ socket: Socket, _ schedule: Schedule, _ recorder: Recorder
    ) throws -> ConnectionLoad {
        let authority = if case .unixSocket = server.endpoint { "localhost" } else { "\(server.endpoint)" }
        return ConnectionLoad(
            socket: socket, connection: try CallConnection(authority: authority, tenant: tenant), generator: generator,
            schedule: schedule, recorder: recorder, seed: seed &+ UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15)
    }

    private func schedule(_ connection: Int, start: Int64, measureFrom: Int64) -> Schedule {
        Schedule(
            start: start, measureFrom: measureFrom, end: duration.map { measureFrom + Int64($0 * 1e9) } ?? .max,
            slots: inFlight / connections + (connection < inFlight % connections ? 1 : 0),
            pace: rate.map { Schedule.Pace(rate: $0, connection: connection, connections: connections) })
    }

    private func summary(_ results: [Worker.Result], _ measureFrom: Int64) -> Result {
        var measurement = Measurement(start: measureFrom)
        for result in results { measurement.add(result.measurement) }
        // All threads read the same clocks: the first reading and the last count.
        let end = results.map(\.processorEnd).max { $0.client < $1.client } ?? ProcessorTime()
        let start = results.compactMap(\.processorStart).min { $0.client < $1.client } ?? end
        return Result(
            measurement: measurement,
            usage: Usage(seconds: Double(measurement.lastAnswer - measureFrom) / 1e9, processor: end - start))
    }
}
