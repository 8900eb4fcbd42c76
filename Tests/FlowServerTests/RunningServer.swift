import FlowServer
import FlowStateClient
import Foundation
import GRPC
import Logging
import ServiceLifecycle

/// Runs the whole server in this process, with an embedded PostgreSQL in a temporary directory, for the
/// length of `body`.
func withServer(
    _ change: (inout ServerOptions) -> Void = { _ in }, _ body: @Sendable @escaping (Endpoint) async throws -> Void
) async throws {
    // Directly under /tmp: PostgreSQL's own user must reach it when the tests run as root.
    let directory = "/tmp/flowstate-server-tests-\(UUID().uuidString.prefix(8))"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var options = ServerOptions()
    options.port = 0
    options.dataDirectory = directory
    change(&options)
    var logger = Logger(label: "test")
    logger.logLevel = .warning
    let (addresses, continuation) = AsyncStream.makeStream(of: String.self)
    let server = StateServer(options: options, logger: logger) { continuation.yield($0) }
    let group = ServiceGroup(
        configuration: .init(
            services: [.init(service: server, successTerminationBehavior: .gracefullyShutdownGroup)], logger: logger))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
            defer { continuation.finish() }
            try await group.run()
        }
        for await address in addresses {
            guard let endpoint = Endpoint(address) else { throw NoAddress(address: address) }
            do {
                try await body(endpoint)
            } catch {
                await group.triggerGracefulShutdown()
                try await tasks.next()
                throw error
            }
            break
        }
        await group.triggerGracefulShutdown()
        try await tasks.next()
    }
}

struct NoAddress: Error { let address: String }

func withClient(
    _ endpoint: Endpoint, connections: Int = 1, _ body: (StateClient) async throws -> Void
) async throws {
    var configuration = ClientConfiguration()
    configuration.connections = connections
    let client = StateClient(endpoint: endpoint, tenant: "tests", retries: .never, configuration: configuration)
    do {
        try await body(client)
    } catch {
        await client.close()
        throw error
    }
    await client.close()
}
