import FlowAccess
import FlowModel
import GRPC
import Protobuf
import WireMessages

enum LoadState: UnaryFlowMethod {
    static let method = MethodDescriptor.loadState
    static let scope = Scope.read

    static func command(_ request: LoadStateRequest, _ context: CallContext) throws(StateError) -> LoadCommand {
        var command = LoadCommand(
            key: try context.key(request.flowID), selector: try selector(request.selector),
            ifVersionNot: request.ifVersionNot)
        command.includesWrites = request.includeWrites
        command.renewsTTL = request.renewTtl
        command.waitMilliseconds = try Int64(milliseconds: request.wait, field: "wait")
        return command
    }

    private static func selector(_ given: LoadStateRequest.Selector?) throws(StateError) -> LoadSelector {
        switch given {
        case .latest(true), nil: return .latest
        case .latest(false): throw .invalidArgument(field: "latest", message: "must be true, or another selector be given")
        case .version(let version): return .version(version)
        case .checkpoint(let nameOrID): return .checkpoint(nameOrID)
        case .versionLabel(let label): return .label(label)
        case .greatestVersionLabel(true): return .greatestLabel
        case .greatestVersionLabel(false):
            throw .invalidArgument(field: "greatest_version_label", message: "must be true, or another selector be given")
        case .time(let time): return .time(try Timestamp(time, field: "time"))
        }
    }

    static func response(_ outcome: LoadOutcome, flowID: String) -> LoadStateResponse {
        switch outcome {
        case .snapshot(let snapshot):
            return LoadStateResponse(
                snapshot: WireMessages.Snapshot(
                    flow: snapshot.head.message, version: snapshot.version.message, state: snapshot.state))
        case .unchanged(let head, let version):
            return LoadStateResponse(
                snapshot: WireMessages.Snapshot(flow: head.message, version: version.message), unchanged: true)
        case .withWrites(let outcome, let page):
            var response = response(outcome, flowID: flowID)
            response.writes = page.elements.map(\.message)
            response.nextWritesPageToken = page.next?.text ?? ""
            return response
        }
    }

    /// The same without the state.
    static func snapshot(_ outcome: LoadOutcome) -> WireMessages.Snapshot {
        switch outcome {
        case .snapshot(let snapshot): WireMessages.Snapshot(flow: snapshot.head.message, version: snapshot.version.message)
        case .unchanged(let head, let version): WireMessages.Snapshot(flow: head.message, version: version.message)
        case .withWrites(let outcome, _): snapshot(outcome)
        }
    }

    private static let snapshotField = FieldStart("snapshot", of: LoadStateResponse.self)
    private static let stateField = FieldStart("state", of: WireMessages.Snapshot.self)

    /// The same bytes as those of `response`. A cached snapshot keeps what comes before the state, and the state itself is copied only once.
    static func framed(_ outcome: LoadOutcome, flowID: String) -> FramedMessage {
        guard case .snapshot(let snapshot) = outcome, !snapshot.state.isEmpty, let snapshotField, let stateField,
            let beginning = snapshot.encodedOnce({ Self.beginning(snapshot, snapshotField, stateField) })
        else { return FramedMessage(encoding: response(outcome, flowID: flowID)) }
        return FramedMessage(beginning, snapshot.state)
    }

    /// The framed message up to the first byte of the state.
    private static func beginning(_ snapshot: FlowModel.Snapshot, _ snapshotField: FieldStart, _ stateField: FieldStart) -> [UInt8] {
        let head = WireMessages.Snapshot(flow: snapshot.head.message, version: snapshot.version.message).encoded()
        let state = snapshot.state.count
        let whole = head.count + stateField.size(state) + state
        return FramedMessage.beginning(size: snapshotField.size(whole) + whole - state, rest: state) { room in
            var room = UnsafeMutableRawBufferPointer(rebasing: room[snapshotField.write(whole, into: room)...])
            room.copyBytes(from: head)
            room = UnsafeMutableRawBufferPointer(rebasing: room[head.count...])
            _ = stateField.write(state, into: room)
        }
    }

    static func size(of outcome: LoadOutcome) -> Int {
        switch outcome {
        case .snapshot(let snapshot): snapshot.state.count
        case .unchanged: 0
        case .withWrites(let outcome, let page): size(of: outcome) + page.byteCount
        }
    }

    static func flowID(_ request: LoadStateRequest) -> String { request.flowID }
}
