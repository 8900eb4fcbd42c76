import FlowStateClient
import GRPC

/// One run against one server.
struct Benchmark {
    let command: String
    let options: LoadOptions
    let scenario: Scenario
    let server: BenchServer

    /// - Throws: When the server does not answer, or the flows cannot be created; `CancellationError`.
    func run(skippingPreparation: Bool) async throws -> Report {
        try await checkServer()
        let workload = Workload(scenario, options)
        if !skippingPreparation { try await prepare(workload) }
        return try await measure(workload)
    }

    private func checkServer() async throws {
        let client = StateClient(endpoint: server.endpoint, timeout: .seconds(10), retries: .never)
        let answer: Result<Bool, any Error>
        do { answer = .success(try await client.isServing()) } catch { answer = .failure(error) }
        await client.close()
        guard try answer.get() else { throw BenchError.notServing(server.endpoint) }
    }

    /// Creates the flows that the run needs.
    private func prepare(_ workload: Workload) async throws {
        guard workload.preparation(connection: 0, connections: 1) != nil else { return }
        Console.note("creating those of \(workload.flows) flows that are missing")
        let load = LoadGenerator(options, server, warmup: 0, duration: nil)
        let result = try await load.run { workload.preparation(connection: $0, connections: $1) }
        if let (reason, failure) = result.measurement[.save].failures.first {
            throw BenchError.cannotPrepare(reason, failure.message)
        }
    }

    private func measure(_ workload: Workload) async throws -> Report {
        let load =
            if workload.conversation == nil {
                LoadGenerator(options, server, warmup: options.warmup, duration: options.duration)
            } else {
                LoadGenerator(oneCallAtATime: options, server)
            }
        let result = try await load.run { workload.generator(connection: $0, connections: $1) }
        let conversation = workload.conversation.map {
            Report.Conversation(
                flowId: workload.conversationFlow, tenant: options.tenant, turns: $0.turns, rawBytes: $0.totalBytes)
        }
        return Report(
            command: command, options: options, scenario: scenario, server: server, measurement: result.measurement,
            usage: result.usage, conversation: conversation)
    }
}

enum BenchError: Error, CustomStringConvertible {
    case notServing(Endpoint)
    case noServer(String)
    case serverEnded(String)
    case cannotConnect(Endpoint, String)
    case cannotPrepare(String, String)
    case cannotWrite(String, String)
    case notValid(String)

    var description: String {
        switch self {
        case .notServing(let endpoint): "the server at \(endpoint) answers, but does not serve; is its database there?"
        case .noServer(let path): "there is no program \(path); build it, or give --server or --endpoint"
        case .serverEnded(let path): "\(path) ended before it served; its log above says why"
        case .cannotConnect(let endpoint, let reason): "cannot connect to \(endpoint): \(reason)"
        case .cannotPrepare(let reason, let message): "the flows cannot be made: \(reason): \(message)"
        case .cannotWrite(let path, let reason): "cannot write \(path): \(reason)"
        case .notValid(let violation): "the state that was made does not follow its definition: \(violation)"
        }
    }
}
