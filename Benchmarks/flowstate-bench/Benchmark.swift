import FlowStateClient
import GRPC
import NIOCore
import NIOPosix

/// One run against one server.
struct Benchmark {
    let options: LoadOptions
    let loadPercent: Int
    let server: BenchServer

    /// - Throws: when the server does not answer, or the flows cannot be made; `CancellationError`.
    func run(_ command: String) async throws -> Report {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: options.threads)
        let result: Result<Report, any Error>
        do {
            result = .success(try await run(command, group))
        } catch {
            result = .failure(error)
        }
        try await group.shutdownGracefully()
        return try result.get()
    }

    private func run(_ command: String, _ group: any EventLoopGroup) async throws -> Report {
        try await checkServer(group)
        var configuration = ClientConfiguration()
        configuration.connections = options.connections
        // No deadline a call: its timer would be a part of what is measured. `Lane` stops waiting in the end.
        let client = StateClient(
            endpoint: server.endpoint, tenant: options.tenant, actor: "flowstate-bench", timeout: nil,
            configuration: configuration, group: group)
        let result: Result<Report, any Error>
        do {
            let workload = Workload(
                flows: options.flows, stateSize: options.stateSize, loadPercent: loadPercent, seed: options.seed)
            if loadPercent > 0 {
                try await Preload(client: client, workload: workload, inFlight: options.inFlight).run()
            }
            result = .success(try await measure(command, client, workload))
        } catch {
            result = .failure(error)
        }
        await client.close()
        return try result.get()
    }

    private func checkServer(_ group: any EventLoopGroup) async throws {
        let client = StateClient(endpoint: server.endpoint, timeout: .seconds(10), group: group)
        let answer: Result<Bool, any Error>
        do { answer = .success(try await client.isServing()) } catch { answer = .failure(error) }
        await client.close()
        guard try answer.get() else { throw BenchError.notServing(server.endpoint) }
    }

    private func measure(_ command: String, _ client: StateClient, _ workload: Workload) async throws -> Report {
        let start = NIODeadline.now()
        let measureFrom = start + .nanoseconds(Int64(options.warmup * 1e9))
        let lanes = (0..<options.connections).map { index in
            let schedule = Schedule(
                start: start, measureFrom: measureFrom, end: measureFrom + .nanoseconds(Int64(options.duration * 1e9)),
                slots: options.inFlight / options.connections + (index < options.inFlight % options.connections ? 1 : 0),
                pace: options.rate.map { Schedule.Pace(rate: $0, lane: index, lanes: options.connections) })
            return Lane(
                client: client, connection: index, workload: workload, schedule: schedule,
                seed: options.seed &+ UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15)
        }
        let measurement = try await withTaskCancellationHandler {
            var all = Measurement(start: measureFrom)
            let running = lanes.map { $0.run() }
            for lane in running { all.add(try await lane.get()) }
            return all
        } onCancel: {
            for lane in lanes { lane.stop() }
        }
        try Task.checkCancellation()
        return Report(
            command: command, options: options, loadPercent: loadPercent, server: server, measurement: measurement,
            seconds: Double((measurement.lastAnswer - measureFrom).nanoseconds) / 1e9)
    }
}

enum BenchError: Error, CustomStringConvertible {
    case notServing(Endpoint)
    case noServer(String)
    case serverEnded(String)
    case cannotWrite(String, String)

    var description: String {
        switch self {
        case .notServing(let endpoint): "the server at \(endpoint) answers, but does not serve; is its database there?"
        case .noServer(let path): "there is no program \(path); build it, or give --server or --endpoint"
        case .serverEnded(let path): "\(path) ended before it served; its log above says why"
        case .cannotWrite(let path, let reason): "cannot write \(path): \(reason)"
        }
    }
}
