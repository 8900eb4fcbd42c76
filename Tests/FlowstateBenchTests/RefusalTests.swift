import Foundation
import GRPC
import Protobuf
import Testing
import WireMessages

@testable import FlowstateBench

@Suite struct RefusalTests {
    private static func details(_ details: [AnyMessage]) -> String {
        let status = RPCStatus(code: 10, message: "refused", details: details)
        return String(Data(status.encoded()).base64EncodedString().prefix { $0 != "=" })
    }

    private static func any(_ message: some WireMessage, _ name: String) -> AnyMessage {
        AnyMessage(typeURL: "type.googleapis.com/" + name, value: message.encoded())
    }

    /// `grpc-status-details-bin` of a VERSION_CONFLICT.
    static func conflict(actual: Int64) -> String {
        details([
            any(ErrorInfo(reason: "VERSION_CONFLICT", domain: "flowstate"), "google.rpc.ErrorInfo"),
            any(VersionConflict(expected: 1, actual: actual), "flowstate.v1.VersionConflict"),
        ])
    }

    @Test(arguments: [0, 1, 127, 128, 1 << 40] as [Int64])
    func conflictsSayTheVersion(_ actual: Int64) {
        let refusal = Refusal(code: "10", message: "expected%20version%201", details: Self.conflict(actual: actual))
        #expect(refusal.actualVersion == actual)
        #expect(refusal.reason == "VERSION_CONFLICT")
        #expect(refusal.message == "expected version 1")
    }

    @Test func otherErrorsHaveNoVersion() {
        let info = ErrorInfo(reason: "OVERLOADED", domain: "flowstate")
        let refusal = Refusal(code: "8", message: "later", details: Self.details([Self.any(info, "google.rpc.ErrorInfo")]))
        #expect(refusal.actualVersion == nil)
        #expect(refusal.reason == "OVERLOADED")
    }

    @Test func detailsThatCannotBeReadLeaveTheCode() {
        for details in [nil, "", "!", "AAAA", "////"] {
            let refusal = Refusal(code: "5", message: nil, details: details)
            #expect(refusal.actualVersion == nil)
            #expect(refusal.reason == "NOT_FOUND")
        }
        #expect(Refusal(code: "x", message: nil, details: nil).reason == "NO_STATUS")
    }
}
