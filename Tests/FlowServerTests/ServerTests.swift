import FlowServer
import FlowStateClient
import Foundation
import Postgres
import PostgresCluster
import Testing

/// The whole way: Swift client, sockets, HTTP/2, gRPC, store, PostgreSQL.
@Suite struct ServerTests {
    @Test func savesLoadsAndRefusesLostUpdates() async throws {
        try await withServer { endpoint in
            try await withClient(endpoint) { client in
                #expect(try await client.isServing())
                let created = try await client.createFlow(
                    CreateFlowRequest(flowID: "f", flowType: "demo", state: Array(#"{"n":1}"#.utf8)))
                #expect(created.version == 1)
                let saved = try await client.saveState(
                    SaveStateRequest(
                        flowID: "f", change: .state(Array(#"{"n":2}"#.utf8)), precondition: .expectedVersion(1),
                        checkpoint: CheckpointSpec(name: "two")))
                #expect(saved.version == 2)
                await #expect {
                    try await client.saveState(
                        SaveStateRequest(flowID: "f", change: .state([]), contentType: "x/y", precondition: .expectedVersion(1)))
                } throws: { error in
                    let error = error as? ClientError
                    return error?.reason == "VERSION_CONFLICT" && error?.conflict == VersionConflict(expected: 1, actual: 2)
                }
                let first = try await client.loadState(LoadStateRequest(flowID: "f", selector: .version(1)))
                #expect(first.snapshot?.state == Array(#"{"n":1}"#.utf8))
                let restored = try await client.restoreCheckpoint(RestoreCheckpointRequest(flowID: "f", checkpoint: "two"))
                #expect(restored.version == 3 && restored.restoredVersion == 2)
                #expect(try await client.listVersions(ListVersionsRequest(flowID: "f")).versions.map(\.version) == [3, 2, 1])
                #expect(try await client.listFlows(ListFlowsRequest()).flows.map(\.flowID) == ["f"])
            }
        }
    }

    /// Every kind of call, good and bad, over the C boundary of nghttp2, protobuf-c and libpq; run under
    /// AddressSanitizer by `make sanitize`.
    @Test func tenThousandMixedCalls() async throws {
        try await withServer { endpoint in
            try await withClient(endpoint, connections: 2) { client in
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for worker in 0..<50 {
                        group.addTask { try await MixedCalls(client: client, worker: worker).run(count: 200) }
                    }
                    var answered = 0
                    for try await count in group { answered += count }
                    #expect(answered == 10_000, "every call must be answered")
                }
            }
        }
    }

    @Test func aDataDirectoryThatCannotBeMadeEndsTheServer() async throws {
        // Nobody can make a cluster there, so the server must say so instead of waiting.
        await #expect(throws: EmbeddedClusterError.self) {
            try await withServer({ $0.dataDirectory = "/proc/nowhere" }) { _ in }
        }
    }
}

/// A deterministic mix of calls on a few flows; whatever their outcome, each must have one that fits.
struct MixedCalls {
    let client: StateClient
    let worker: Int

    func run(count: Int) async throws -> Int {
        var answered = 0
        for index in 0..<count {
            do {
                try await call(index)
            } catch let error as ClientError {
                let expected: Set<String?> = [
                    "VERSION_CONFLICT", "FLOW_NOT_FOUND", "STATE_INVALID", "INVALID_REQUEST", "CHECKPOINT_NOT_FOUND",
                    "VERSION_NOT_FOUND", "CHECKPOINT_ALREADY_EXISTS", "IDEMPOTENCY_KEY_REUSED", "NOT_SUPPORTED",
                ]
                #expect(expected.contains(error.reason), "\(error)")
            }
            answered += 1
        }
        return answered
    }

    private func call(_ index: Int) async throws {
        let flow = "mixed-\((worker * 7 + index) % 40)"
        let state = Array(#"{"worker":\#(worker),"text":"\#(String(repeating: "é\\u0000", count: index))"}"#.utf8)
        switch (worker + index) % 10 {
        case 0, 1, 2: _ = try await client.saveState(SaveStateRequest(flowID: flow, change: .state(state)))
        case 3:
            _ = try await client.saveState(
                SaveStateRequest(
                    flowID: flow, change: .state(state), precondition: .expectedVersion(Int64(index)),
                    labels: ["worker": "\(worker)"], metadata: Array("{}".utf8),
                    checkpoint: CheckpointSpec(name: "c\(index % 5)"), idempotencyKey: "k\(worker)-\(index)"))
        case 4, 5: _ = try await client.loadState(LoadStateRequest(flowID: flow))
        case 6: _ = try await client.loadState(LoadStateRequest(flowID: flow, selector: .checkpoint("c1")))
        case 7: _ = try await client.listVersions(ListVersionsRequest(flowID: flow, pageSize: 3))
        case 8: _ = try await client.saveState(SaveStateRequest(flowID: flow, change: .state(Array("{broken".utf8))))
        default: _ = try await client.listFlows(ListFlowsRequest(filter: FlowFilter(labels: ["worker": "\(worker)"])))
        }
    }
}
