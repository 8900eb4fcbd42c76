import GRPC
import Logging

/// A line for each call's end, at the level `trace`.
struct CallLog: CallObserver {
    let logger: Logger

    func began(_ call: ObservedCall) {}

    func ended(_ call: ObservedCall, _ ending: CallEnding) {
        var metadata: Logger.Metadata = [
            "path": "\(call.path)", "peer": "\(call.peer)", "ending": "\(ending.kind)", "code": "\(ending.code.name)",
            "request_bytes": "\(ending.requestBytes)", "response_bytes": "\(ending.responseBytes)",
            "microseconds": "\(ending.duration.nanoseconds / 1_000)",
        ]
        // How often a client with a retry policy has made the call before (gRFC A6).
        if let attempts = call.metadata["grpc-previous-rpc-attempts"] { metadata["previous_attempts"] = "\(attempts)" }
        logger.trace("call", metadata: metadata)
    }
}
