import FlowAccess
import FlowModel
import GRPC
import Protobuf
import WireMessages

enum LoadState: UnaryFlowMethod {
    static let method = MethodDescriptor.loadState
    static let scope = Scope.read

    static func command(_ request: LoadStateRequest, _ context: CallContext) throws(StateError) -> LoadCommand {
        LoadCommand(
            key: try context.key(request.flowID), selector: try selector(request.selector),
            ifVersionNot: request.ifVersionNot)
    }

    private static func selector(_ given: LoadStateRequest.Selector?) throws(StateError) -> LoadSelector {
        switch given {
        case .latest(true), nil: return .latest
        case .latest(false): throw .invalidArgument(field: "latest", message: "must be true, or another selector be given")
        case .version(let version): return .version(version)
        case .checkpoint(let nameOrID): return .checkpoint(nameOrID)
        case .versionLabel(let label): return .label(label)
        case .time(let time): return .time(try Timestamp(time, field: "time"))
        }
    }

    static func response(_ outcome: LoadOutcome, flowID: String) -> LoadStateResponse {
        switch outcome {
        case .snapshot(let snapshot):
            LoadStateResponse(
                snapshot: WireMessages.Snapshot(
                    flow: snapshot.head.message, version: snapshot.version.message, state: snapshot.state))
        case .unchanged(let head, let version):
            LoadStateResponse(
                snapshot: WireMessages.Snapshot(flow: head.message, version: version.message), unchanged: true)
        }
    }

    private static let snapshotField = FieldStart("snapshot", of: LoadStateResponse.self)
    private static let stateField = FieldStart("state", of: WireMessages.Snapshot.self)

    /// The same bytes as those of `response`: a cached snapshot keeps what comes before the state, and the state is copied only once.
    static func framed(_ outcome: LoadOutcome, flowID: String) -> FramedMessage {
        guard case .snapshot(let snapshot) = outcome, let encoded = snapshot.encoded, !snapshot.state.isEmpty, let snapshotField,
            let stateField
        else { return FramedMessage(encoding: response(outcome, flowID: flowID)) }
        let (state, head) = (
            snapshot.state,
            encoded.bytes { WireMessages.Snapshot(flow: snapshot.head.message, version: snapshot.version.message).encoded() }
        )
        let size = head.count + stateField.size(state.count) + state.count
        return FramedMessage(size: snapshotField.size(size) + size) { room in
            var room = UnsafeMutableRawBufferPointer(rebasing: room[snapshotField.write(size, into: room)...])
            room.copyBytes(from: head)
            room = UnsafeMutableRawBufferPointer(rebasing: room[head.count...])
            room = UnsafeMutableRawBufferPointer(rebasing: room[stateField.write(state.count, into: room)...])
            room.copyBytes(from: state)
        }
    }

    static func size(of outcome: LoadOutcome) -> Int {
        guard case .snapshot(let snapshot) = outcome else { return 0 }
        return snapshot.state.count
    }

    static func flowID(_ request: LoadStateRequest) -> String { request.flowID }
}
