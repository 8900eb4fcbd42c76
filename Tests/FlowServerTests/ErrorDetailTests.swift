import GRPC
import JSON
import Protobuf
import Testing
import WireMessages

@testable import FlowModel
@testable import FlowService

/// Whatever an error has to say, its reason and its detail arrive, and no client refuses its trailers.
@Suite struct ErrorDetailTests {
    @Test(arguments: [UInt64.random(in: .min ... .max), 1, 2])
    func everyErrorArrivesWithReasonAndDetail(seed: UInt64) throws {
        print("seed \(seed)")
        var texts = RandomTexts(seed: seed)
        for _ in 0..<300 {
            for error in Self.errors(&texts) {
                let status = ErrorTable.status(error)
                #expect(!status.details.isEmpty && status.details.count <= Status.maxDetailsBytes, "\(status.details.count) bytes")
                let full = try RPCStatus.decode(status.details)
                let info = try #require(try full.details.first?.unpack(as: ErrorInfo.self))
                #expect(info.reason == error.reason && info.domain == "flowstate")
                #expect(full.message == status.message && full.code == Int32(status.code.rawValue))
                #expect(!status.message.unicodeScalars.contains("\u{FFFD}"), "a character was cut")
                let trailers = status.trailerBytes
                #expect(trailers < 8 << 10, "\(trailers) bytes of trailers")
                try Self.checkCounts(error, full)
            }
        }
    }

    /// Every kind of error that has a text or a list.
    private static func errors(_ texts: inout RandomTexts) -> [StateError] {
        func violation() -> JSON.Violation { .init(path: texts.next(), rule: texts.next(), message: texts.next()) }
        func fault() -> DocumentFault { DocumentFault(path: texts.next(), message: texts.next()) }
        return [
            .versionConflict(flowID: texts.next(), expected: .max, actual: .max),
            .flowAlreadyExists(flowID: texts.next(), version: .max, deleted: true),
            .stateInvalid((0..<texts.count()).map { _ in violation() }),
            .patchNotApplicable(flowID: texts.next(), version: .max, message: texts.next()),
            .stateNotJSON(flowID: texts.next(), version: .max, message: texts.next()),
            .definitionInvalid((0..<texts.count()).map { _ in fault() }),
            .definitionConflict(flowType: texts.next(), expected: .max, actual: .max),
            .definitionNotFound(flowType: texts.next(), revision: .max),
            .quarantinedNotFound(id: texts.next()), .notificationNotFound(id: texts.next()),
            .transitionNotAllowed(from: texts.next(), to: texts.next(), missing: (0..<texts.count()).map { _ in texts.next() }),
            .statusNotAllowed(from: texts.next(), to: texts.next(), allowed: (0..<texts.count()).map { _ in texts.next() }),
            .recoveryFailed(flowID: texts.next(), tried: (0..<texts.count()).map { _ in texts.next() }),
            .leaseLost(flowID: texts.next(), holder: texts.next(), token: .max),
            .flowNotFound(flowID: texts.next(), deleted: false),
            .versionNotFound(flowID: texts.next(), selector: texts.next()),
            .checkpointNotFound(flowID: texts.next(), checkpoint: texts.next()),
            .checkpointAlreadyExists(flowID: texts.next(), checkpoint: texts.next()),
            .tooLarge(what: texts.next(), size: .max, limit: .max), .idempotencyKeyReused(key: texts.next()),
            .databaseUnavailable(message: texts.next(), outcomeUnknown: true, retryAfterMilliseconds: .max),
            .overloaded(queued: .max, limit: .max, unit: texts.next(), retryAfterMilliseconds: .max),
            .invalidArgument(field: texts.next(), message: texts.next()), .deadlineExceeded(outcomeUnknown: true), .cancelled,
            .dataLoss(flowID: texts.next(), version: .max, message: texts.next()),
            .unsupported(field: texts.next(), message: texts.next()), .internalFault(texts.next()),
        ]
    }

    /// What is in the list and what is said to be missing there are all of it; at least the first one is there.
    private static func checkCounts(_ error: StateError, _ status: RPCStatus) throws {
        func detail<M: WireMessage>(_ type: M.Type) throws -> M {
            try #require(try status.details.compactMap { try $0.unpack(as: type) }.first)
        }
        func check(_ shown: Int, _ omitted: Int32, of count: Int) {
            #expect(shown + Int(omitted) == count && (shown > 0 || count == 0))
        }
        switch error {
        case .stateInvalid(let violations):
            let sent = try detail(StateInvalid.self)
            check(sent.violations.count, sent.omitted, of: violations.count)
        case .definitionInvalid(let faults, _):
            let sent = try detail(DefinitionInvalid.self)
            check(sent.faults.count, sent.omitted, of: faults.count)
        case .transitionNotAllowed(let from, _, let missing, _):
            let sent = try detail(TransitionNotAllowed.self)
            check(sent.missing.count, sent.omitted, of: missing.count)
            #expect(from.utf8.count > 255 || sent.from == from, "what fits is not changed")
        case .statusNotAllowed: _ = try detail(TransitionNotAllowed.self)
        case .recoveryFailed(_, let tried):
            let sent = try detail(RecoveryFailed.self)
            check(sent.tried.count, sent.omitted, of: tried.count)
        case .versionConflict, .flowAlreadyExists, .definitionConflict: _ = try detail(VersionConflict.self)
        case .leaseLost: _ = try detail(LeaseLost.self)
        case .tooLarge: _ = try detail(TooLarge.self)
        case .invalidArgument, .unsupported: #expect(try detail(BadRequest.self).fieldViolations.count == 1)
        case .databaseUnavailable, .overloaded: _ = try detail(RetryInfo.self)
        default: #expect(status.details.count == 1)
        }
    }

    @Test(arguments: [
        (WireError.malformed, StatusCode.invalidArgument, "INVALID_REQUEST"),
        (.invalidUTF8(field: "phase"), .invalidArgument, "INVALID_REQUEST"),
        (.invalidDuration(field: "window"), .invalidArgument, "INVALID_REQUEST"),
        (.tooMuchMemory(limit: 9), .resourceExhausted, "STATE_TOO_LARGE"),
    ])
    func whatCannotBeDecodedHasAReasonToo(_ error: WireError, _ code: StatusCode, _ reason: String) throws {
        let status = ErrorTable.status(error, of: "flowstate.v1.SaveStateRequest")
        let info = try #require(try RPCStatus.decode(status.details).details.first?.unpack(as: ErrorInfo.self))
        #expect(status.code == code && info.reason == reason)
    }
}

extension Status {
    /// Of the trailer section that carries it, as RFC 9113 §6.5.2 counts, at most: each byte of the message may become three.
    fileprivate var trailerBytes: Int {
        let message = message.utf8.reduce(0) { $0 + ((0x20...0x7E).contains($1) && $1 != UInt8(ascii: "%") ? 1 : 3) }
        let fields = [("grpc-status", 2), ("grpc-message", message), ("grpc-status-details-bin", (details.count * 4 + 2) / 3)]
        // An answer without a message has the fields of the head in the same section.
        let head = [(":status", 3), ("content-type", 16), ("grpc-accept-encoding", 13)]
        return (fields + head).reduce(0) { $0 + $1.0.utf8.count + $1.1 + 32 }
    }
}

/// Texts of all lengths and widths, the same for the same seed.
private struct RandomTexts {
    private var state: UInt64
    private static let pieces = ["a", "/", "%", "\u{1}", "\n", "é", "漢", "🙂", "e\u{301}", "\u{10FFFF}"]

    init(seed: UInt64) { state = seed }

    /// SplitMix64.
    private mutating func number(below bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }

    /// Of a list.
    mutating func count() -> Int { [0, 1, 2, 60, 200][number(below: 5)] }

    mutating func next() -> String {
        let piece = Self.pieces[number(below: Self.pieces.count)]
        let length = [0, 1, 30, 255, 256, 1_100][number(below: 6)]
        return String(repeating: piece, count: length) + Self.pieces[number(below: Self.pieces.count)]
    }
}
