import FlowModel
import GRPC
import Protobuf
import WireMessages

/// The statuses of calls for which the process has no memory, with the details of `ErrorTable`.
package enum TransportErrors {
    private static let retryAfterMilliseconds: Int64 = 1_000

    /// Before anything was done.
    package static func overloaded(memoryLimit: Int) -> Status {
        ErrorTable.status(overload(memoryLimit))
    }

    /// After the call was carried out.
    package static func answerOverloaded(memoryLimit: Int) -> Status {
        let error = overload(memoryLimit)
        let message = "the call was carried out, but its answer finds no room: too many large answers wait for their readers"
        let details = [
            AnyMessage(packing: ErrorInfo(reason: error.reason, domain: ErrorTable.domain)),
            AnyMessage(packing: RetryInfo(retryDelay: .milliseconds(retryAfterMilliseconds))),
        ]
        let code = StatusCode.resourceExhausted
        // A client that retries by its policy would make the change twice: the caller decides.
        return Status(
            code, message, details: RPCStatus(code: Int32(code.rawValue), message: message, details: details).encoded(), retryPushback: -1)
    }

    private static func overload(_ limit: Int) -> StateError {
        .overloaded(queued: limit, limit: limit, unit: StateError.memoryUnit, retryAfterMilliseconds: retryAfterMilliseconds)
    }
}
