import ArgumentParser
import GRPC

/// The exit codes of the client commands, as the root command's help lists them. Wrong usage is the argument parser's own 64.
enum ExitStatus: Int32 {
    case failure = 1
    case conflict = 2
    case notFound = 3
    case invalidInput = 4
    case unavailable = 5

    /// The exit code for a gRPC status other than OK.
    /// - Parameter reason: Flowstate's name of the error; nil when the server gave none.
    init(_ code: StatusCode, reason: String?) {
        self =
            switch code {
            case .aborted, .alreadyExists: .conflict
            case .notFound: .notFound
            case .unavailable, .deadlineExceeded: .unavailable
            case .resourceExhausted where reason == "OVERLOADED": .unavailable
            case .invalidArgument, .failedPrecondition, .resourceExhausted, .outOfRange: .invalidInput
            case .ok, .cancelled, .unknown, .permissionDenied, .unimplemented, .internal, .dataLoss, .unauthenticated:
                .failure
            }
    }

    var code: ExitCode { ExitCode(rawValue) }
}
