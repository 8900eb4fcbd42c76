import ArgumentParser
import Foundation
import WireMessages

/// For load generators that know HTTP/2 but not gRPC.
struct EncodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encode", abstract: "Write the body of a gRPC request to standard output, for h2load or curl.",
        discussion: """
              flowstate-bench encode save --flow f1 > body
              h2load -c4 -m32 -n100000 -d body -H 'content-type: application/grpc' -H 'te: trailers' \
            http://localhost:7420/flowstate.v1.FlowStateService/SaveState
            """)

    enum Message: String, ExpressibleByArgument, CaseIterable {
        case health, load, save, create
    }

    @Argument(help: "The request of Health/Check, LoadState, SaveState or CreateFlow (without an id: each call makes a flow).")
    var message: Message
    @Option(help: "The flow to load or save.")
    var flow = "bench-encoded"
    @Option(help: ArgumentHelp("Size of the state, which is JSON.", valueName: "bytes"))
    var stateSize = 2_048

    func validate() throws {
        guard stateSize >= StateText.smallest else {
            throw ValidationError("--state-size must be at least \(StateText.smallest).")
        }
    }

    func run() throws {
        var generator = SeededGenerator(seed: 1)
        let state = StateText.make(size: stateSize, using: &generator)
        let bytes =
            switch message {
            // The server as a whole: no field is set.
            case .health: [UInt8]()
            case .load: LoadStateRequest(flowID: flow).encoded()
            case .save: SaveStateRequest(flowID: flow, change: .state(state)).encoded()
            case .create: CreateFlowRequest(flowType: "bench", state: state).encoded()
            }
        // gRPC over HTTP/2, Length-Prefixed-Message: one byte "not compressed", four of length.
        let prefix = [0] + withUnsafeBytes(of: UInt32(bytes.count).bigEndian) { Array($0) }
        FileHandle.standardOutput.write(Data(prefix + bytes))
    }
}
