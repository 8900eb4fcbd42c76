import Foundation
import GRPC
import NIOCore
import Protobuf
import WireMessages

/// Why a call failed, according to the trailers. They are decoded only as far as needed: in a storm of conflicts only the version.
struct Refusal: Sendable {
    private enum Source {
        /// `grpc-status`, `grpc-message`, and `grpc-status-details-bin` in base64.
        case trailers(code: String?, message: String?, details: String?)
        case here(reason: String, message: String)
    }

    private let source: Source

    init(_ reason: String, _ message: String) { source = .here(reason: reason, message: message) }

    init(code: String?, message: String?, details: String?) {
        source = .trailers(code: code, message: message, details: details)
    }

    /// Flowstate's name of the error, or gRPC's name of the code.
    var reason: String {
        switch source {
        case .here(let reason, _): return reason
        case .trailers(let code, _, let details):
            let status = Self.decode(details).flatMap { try? RPCStatus.decode([UInt8](buffer: $0)) }
            for detail in status?.details ?? [] {
                if let info = try? detail.unpack(as: ErrorInfo.self), info.domain == "flowstate" { return info.reason }
            }
            return code.flatMap { Int($0) }.flatMap { StatusCode(rawValue: $0)?.name } ?? "NO_STATUS"
        }
    }

    var message: String {
        switch source {
        case .here(_, let message): message
        case .trailers(_, let message, _): message?.removingPercentEncoding ?? message ?? ""
        }
    }

    /// With `VERSION_CONFLICT`: the version that the flow is at; nil otherwise.
    var actualVersion: Int64? {
        guard case .trailers(_, _, let details) = source, var status = Self.decode(details) else { return nil }
        // google.rpc.Status.details; each of them is an Any: type_url, value.
        while let detail = status.readSlice(field: 3) {
            if detail.slice(field: 1)?.readableBytesView.ends(with: Self.conflict) == true {
                return detail.slice(field: 2)?.varint(field: 2) ?? 0
            }
        }
        return nil
    }

    private static let conflict = Array("flowstate.v1.VersionConflict".utf8)

    /// Padding may be missing. A server in between may have put anything there; nil for what is not base64.
    private static func decode(_ base64: String?) -> ByteBuffer? {
        guard let base64 else { return nil }
        let padded = base64 + String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
        return Data(base64Encoded: padded).map { ByteBuffer(bytes: $0) }
    }
}

extension ByteBufferView {
    fileprivate func ends(with end: [UInt8]) -> Bool { suffix(end.count).elementsEqual(end) }
}
