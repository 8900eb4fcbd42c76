import FlowAccess
import FlowModel
import WireMessages

enum ValidateState: UnaryFlowMethod {
    static let method = MethodDescriptor.validateState
    static let scope = Scope.read

    static func command(_ request: ValidateStateRequest, _ context: CallContext) throws(StateError) -> ValidateStateCommand {
        let subject: ValidateStateCommand.Subject
        switch request.subject {
        case .flowID(let flowID): subject = .flow(try context.key(flowID))
        case .state(let state):
            guard let flowType = request.flowType.given else {
                throw .invalidArgument(field: "flow_type", message: "is missing: a state that is not a flow's has no type of its own")
            }
            subject = .state(state, flowType: flowType)
        case nil: throw .invalidArgument(field: "subject", message: "give a flow_id or a state")
        }
        return ValidateStateCommand(
            tenant: context.identity.tenant, subject: subject, flowType: request.flowType.given, depth: try depth(request.depth))
    }

    private static func depth(_ depth: WireMessages.ValidationDepth) throws(StateError) -> FlowModel.ValidationDepth {
        switch depth {
        case .unspecified, .complete: return .complete
        case .transition: return .transition
        case .minimal: return .minimal
        default: throw .invalidArgument(field: "depth", message: "is \(depth.rawValue), which this server does not know")
        }
    }

    static func response(_ validated: ValidatedState, flowID: String) -> ValidateStateResponse {
        ValidateStateResponse(
            valid: validated.report.isValid, violations: validated.report.violations.map(\.wire),
            warnings: validated.report.warnings.map(\.wire), flowType: validated.flowType,
            definitionRevision: validated.definitionRevision, version: validated.version)
    }

    static func flowID(_ request: ValidateStateRequest) -> String {
        if case .flowID(let flowID) = request.subject { flowID } else { "" }
    }
}
