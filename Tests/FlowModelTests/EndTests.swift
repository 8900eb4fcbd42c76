import Testing

@testable import FlowModel

/// A flow has ended in a terminal phase or with a final status, and whatever asks hears the same.
@Suite struct EndTests {
    private func definition() throws -> FlowDefinition {
        let document = #"""
            {"flow_type": "t", "on_save": "enforce", "paths": {"phase": "/phase", "status": "/status", "errors": "/errors"},
             "phases": [{"name": "work"}, {"name": "check"}, {"name": "done", "terminal": true}],
             "statuses": [{"name": "running"}, {"name": "failed", "error": true}, {"name": "closed", "next": []}],
             "recovery": {"automatic": ["error_report", "step", "patch"]}}
            """#
        return try DefinitionReader.read(Array(document.utf8), limits: Limits(), budget: .usual)
    }

    private static let open = [("work", "running"), ("check", "failed"), ("", ""), ("elsewhere", "unheard of")]
    private static let ended = [("done", "running"), ("work", "closed"), ("done", "closed"), ("done", "")]

    @Test func byPhaseOrByStatus() throws {
        let definition = try definition()
        #expect(Self.open.allSatisfy { !definition.isEnded(phase: $0.0, status: $0.1) })
        #expect(Self.ended.allSatisfy { definition.isEnded(phase: $0.0, status: $0.1) })
        #expect(definition.hasEnd)
    }

    @Test func recoveryLeavesItAlone() throws {
        let definition = try definition()
        for trigger in RecoveryTrigger.allCases {
            #expect(Self.open.allSatisfy { definition.recovers(on: trigger, phase: $0.0, status: $0.1) })
            #expect(Self.ended.allSatisfy { !definition.recovers(on: trigger, phase: $0.0, status: $0.1) })
        }
    }

    @Test func savesAndTransitionsDoNotMoveItOn() throws {
        let definition = try definition()
        for (phase, status) in [("work", "running"), ("work", "closed")] {
            var command = SaveCommand(key: try FlowKey(tenant: "t", flowID: "f", limits: .defaults), actor: "a", state: Array("{}".utf8))
            command.phase = "check"
            let place = CurrentPlace.at(phase: phase, status: status)
            let isRefused = Result { try command.following(definition, from: place, limits: Limits(), budget: .usual) }.isFailure
            #expect(isRefused == (status == "closed"))
        }
    }
}

extension Result {
    fileprivate var isFailure: Bool { if case .failure = self { true } else { false } }
}
