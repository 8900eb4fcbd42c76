import FlowModel
import FlowServer
import FlowStore
import Foundation
import GRPC
import Logging
import NIOPosix
import Postgres
import Protobuf
import Testing
import WireMessages

@testable import FlowService

@Suite struct TableTests {
    /// A method that somebody forgot to route, or that left the contract, fails here.
    @Test func everyMethodOfTheContractHasItsRoute() throws {
        let database = try Database(configuration: .init(conninfo: ""), logger: Logger(label: "test"))
        let store = StateStore(database: database, limits: .defaults, logger: Logger(label: "test"))
        let table = RouteTable(store: store)
        let declared = FlowStateProto.services.flatMap { service in
            service.methods.map { "/\(service.name)/\($0.name)" }
        }
        #expect(table.routes.map(\.path).sorted() == declared.sorted())
    }

    @Test func everyLimitHasAName() {
        let fields = Mirror(reflecting: Limits()).children.compactMap(\.label)
        #expect(LimitTable.names.count == fields.count, "\(fields) against \(LimitTable.names)")
        var limits = Limits()
        for (index, name) in LimitTable.names.enumerated() {
            #expect(LimitTable.set(name, to: 1_000 + index, in: &limits))
        }
        for (index, name) in LimitTable.names.enumerated() {
            #expect(LimitTable.value(name, in: limits) == 1_000 + index, "\(name) shares its field with another")
        }
        #expect(!LimitTable.set("nonsense", to: 1, in: &limits))
    }

    @Test(arguments: [
        (StateError.versionConflict(flowID: "f", expected: 1, actual: 2), StatusCode.aborted, "VERSION_CONFLICT"),
        (.flowAlreadyExists(flowID: "f", version: 1, deleted: false), .alreadyExists, "FLOW_ALREADY_EXISTS"),
        (.stateInvalid([.init(path: "/a", rule: "r", message: "m")]), .invalidArgument, "STATE_INVALID"),
        (.transitionNotAllowed(from: "a", to: "b", missing: ["c"]), .failedPrecondition, "TRANSITION_NOT_ALLOWED"),
        (.recoveryFailed(flowID: "f", tried: ["repair"]), .failedPrecondition, "RECOVERY_FAILED"),
        (.leaseLost(flowID: "f", holder: "h", token: 1), .failedPrecondition, "LEASE_LOST"),
        (.flowNotFound(flowID: "f", deleted: true), .notFound, "FLOW_NOT_FOUND"),
        (.tooLarge(what: "state", size: 2, limit: 1), .resourceExhausted, "STATE_TOO_LARGE"),
        (.idempotencyKeyReused(key: "k"), .invalidArgument, "IDEMPOTENCY_KEY_REUSED"),
        (
            .databaseUnavailable(message: "m", outcomeUnknown: false, retryAfterMilliseconds: 1_500), .unavailable,
            "DATABASE_UNAVAILABLE"
        ),
        (.overloaded(queued: 2, limit: 1, unit: "bytes", retryAfterMilliseconds: 100), .resourceExhausted, "OVERLOADED"),
        (.invalidArgument(field: "flow_id", message: "m"), .invalidArgument, "INVALID_REQUEST"),
        (.dataLoss(flowID: "f", version: 3, message: "m"), .dataLoss, "STATE_CORRUPT"),
    ])
    func errorsCarryCodeReasonAndDetails(_ error: StateError, _ code: StatusCode, _ reason: String) throws {
        let status = ErrorTable.status(error)
        #expect(status.code == code)
        #expect(status.message == error.message)
        let full = try RPCStatus.decode(status.details)
        #expect(full.code == Int32(code.rawValue) && full.message == error.message)
        let info = try #require(try full.details.first?.unpack(as: ErrorInfo.self))
        #expect(info.reason == reason && info.domain == "flowstate")
        let retry = try full.details.compactMap { try $0.unpack(as: RetryInfo.self) }.first
        #expect((retry != nil) == (error.retryAfterMilliseconds != nil))
    }
}
