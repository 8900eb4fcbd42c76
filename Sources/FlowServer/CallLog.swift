import GRPC
import Logging

/// A line for each call's end, at the level `trace`.
struct CallLog: CallObserver {
    let logger: Logger

    func began(_ call: ObservedCall) {}

    func ended(_ call: ObservedCall, _ ending: CallEnding) {
        logger.trace(
            "call",
            metadata: [
                "path": "\(call.path)", "peer": "\(call.peer)", "ending": "\(ending.kind)", "code": "\(ending.code.name)",
                "request_bytes": "\(ending.requestBytes)", "response_bytes": "\(ending.responseBytes)",
                "microseconds": "\(ending.duration.nanoseconds / 1_000)",
            ])
    }
}
