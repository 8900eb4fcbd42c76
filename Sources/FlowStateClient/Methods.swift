import WireMessages

// The methods and their types.

extension StateClient.Method where Request == CreateFlowRequest, Response == CreateFlowResponse {
    public static var createFlow: Self { Self("CreateFlow") }
}
extension StateClient.Method where Request == SaveStateRequest, Response == SaveStateResponse {
    public static var saveState: Self { Self("SaveState") }
}
extension StateClient.Method where Request == LoadStateRequest, Response == LoadStateResponse {
    public static var loadState: Self { Self("LoadState") }
}
extension StateClient.Method where Request == ListFlowsRequest, Response == ListFlowsResponse {
    public static var listFlows: Self { Self("ListFlows") }
}
extension StateClient.Method where Request == ListVersionsRequest, Response == ListVersionsResponse {
    public static var listVersions: Self { Self("ListVersions") }
}
extension StateClient.Method where Request == DeleteFlowRequest, Response == DeleteFlowResponse {
    public static var deleteFlow: Self { Self("DeleteFlow") }
}
extension StateClient.Method where Request == CreateCheckpointRequest, Response == CreateCheckpointResponse {
    public static var createCheckpoint: Self { Self("CreateCheckpoint") }
}
extension StateClient.Method where Request == ListCheckpointsRequest, Response == ListCheckpointsResponse {
    public static var listCheckpoints: Self { Self("ListCheckpoints") }
}
extension StateClient.Method where Request == RestoreCheckpointRequest, Response == RestoreCheckpointResponse {
    public static var restoreCheckpoint: Self { Self("RestoreCheckpoint") }
}
extension StateClient.Method where Request == DeleteCheckpointRequest, Response == DeleteCheckpointResponse {
    public static var deleteCheckpoint: Self { Self("DeleteCheckpoint") }
}
extension StateClient.Method where Request == PutDefinitionRequest, Response == PutDefinitionResponse {
    public static var putDefinition: Self { Self("PutDefinition", of: "FlowDefinitionService") }
}
extension StateClient.Method where Request == GetDefinitionRequest, Response == GetDefinitionResponse {
    public static var getDefinition: Self { Self("GetDefinition", of: "FlowDefinitionService") }
}
extension StateClient.Method where Request == ListDefinitionsRequest, Response == ListDefinitionsResponse {
    public static var listDefinitions: Self { Self("ListDefinitions", of: "FlowDefinitionService") }
}
extension StateClient.Method where Request == CleanupRequest, Response == CleanupResponse {
    public static var cleanup: Self { Self("Cleanup", of: "FlowAdminService") }
}
extension StateClient.Method where Request == GetCleanupRunRequest, Response == GetCleanupRunResponse {
    public static var getCleanupRun: Self { Self("GetCleanupRun", of: "FlowAdminService") }
}
extension StateClient.Method where Request == MoveFlowRequest, Response == MoveFlowResponse {
    public static var moveFlow: Self { Self("MoveFlow", of: "FlowDefinitionService") }
}
extension StateClient.Method where Request == ValidateStateRequest, Response == ValidateStateResponse {
    public static var validateState: Self { Self("ValidateState", of: "FlowLifecycleService") }
}
extension StateClient.Method where Request == DiffVersionsRequest, Response == DiffVersionsResponse {
    public static var diffVersions: Self { Self("DiffVersions") }
}
extension StateClient.Method where Request == TransitionPhaseRequest, Response == TransitionPhaseResponse {
    public static var transitionPhase: Self { Self("TransitionPhase", of: "FlowLifecycleService") }
}
extension StateClient.Method where Request == CompletePhaseRequest, Response == CompletePhaseResponse {
    public static var completePhase: Self { Self("CompletePhase", of: "FlowLifecycleService") }
}
extension StateClient.Method where Request == ReportErrorRequest, Response == ReportErrorResponse {
    public static var reportError: Self { Self("ReportError", of: "FlowLifecycleService") }
}
extension StateClient.Method where Request == SetStatusRequest, Response == SetStatusResponse {
    public static var setStatus: Self { Self("SetStatus", of: "FlowLifecycleService") }
}
extension StateClient.Method where Request == GetHistoryRequest, Response == GetHistoryResponse {
    public static var getHistory: Self { Self("GetHistory", of: "FlowLifecycleService") }
}
extension StateClient.Method where Request == GetSummaryRequest, Response == GetSummaryResponse {
    public static var getSummary: Self { Self("GetSummary", of: "FlowLifecycleService") }
}
extension StateClient.Method where Request == GetStatisticsRequest, Response == GetStatisticsResponse {
    public static var getStatistics: Self { Self("GetStatistics", of: "FlowAdminService") }
}
extension StateClient.Method where Request == RecoverFlowRequest, Response == RecoverFlowResponse {
    public static var recoverFlow: Self { Self("RecoverFlow", of: "FlowRecoveryService") }
}
extension StateClient.Method where Request == GetRecoveryStatusRequest, Response == GetRecoveryStatusResponse {
    public static var getRecoveryStatus: Self { Self("GetRecoveryStatus", of: "FlowRecoveryService") }
}
extension StateClient.Method where Request == ListQuarantineRequest, Response == ListQuarantineResponse {
    public static var listQuarantine: Self { Self("ListQuarantine", of: "FlowRecoveryService") }
}
extension StateClient.Method where Request == GetQuarantinedRequest, Response == GetQuarantinedResponse {
    public static var getQuarantined: Self { Self("GetQuarantined", of: "FlowRecoveryService") }
}
extension StateClient.Method where Request == RestoreQuarantinedRequest, Response == RestoreQuarantinedResponse {
    public static var restoreQuarantined: Self { Self("RestoreQuarantined", of: "FlowRecoveryService") }
}
extension StateClient.Method where Request == ListNotificationsRequest, Response == ListNotificationsResponse {
    public static var listNotifications: Self { Self("ListNotifications", of: "FlowRecoveryService") }
}
extension StateClient.Method where Request == AcknowledgeNotificationRequest, Response == AcknowledgeNotificationResponse {
    public static var acknowledgeNotification: Self { Self("AcknowledgeNotification", of: "FlowRecoveryService") }
}
