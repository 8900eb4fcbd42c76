import Testing

@testable import FlowModel
@testable import JSON

/// Time limits of phases and statuses: what a definition may say, and what is done about a flow that stays longer.
@Suite struct OverdueTests {
    private static let document = """
        {"flow_type": "t", "phases": [{"name": "work", "limit_seconds": 60}, {"name": "check", "limit_seconds": 5, "on_overdue": \
        "report_error"}, {"name": "wait"}, {"name": "done", "terminal": true}], "statuses": [{"name": "open"}, \
        {"name": "stuck", "limit_seconds": 7, "on_overdue": "notify"}, {"name": "bad", "error": true, "limit_seconds": 9, "on_overdue": \
        "report_error"}, {"name": "closed", "next": []}]}
        """

    private func definition(_ document: String = Self.document) throws -> FlowDefinition {
        try DefinitionReader.read(Array(document.utf8), limits: Limits())
    }

    // MARK: Definitions

    /// Each member of a phase, and of a status, with the places of its faults.
    @Test(arguments: [
        (#""limit_seconds": 1"#, []), (#""limit_seconds": 3155760000"#, []), (#""limit_seconds": null, "on_overdue": null"#, []),
        (#""limit_seconds": 0"#, ["limit_seconds"]), (#""limit_seconds": 3155760001"#, ["limit_seconds"]),
        (#""limit_seconds": -1"#, ["limit_seconds"]), (#""limit_seconds": 1.5"#, ["limit_seconds"]),
        (#""limit_seconds": 1e300"#, ["limit_seconds"]), (#""limit_seconds": "1""#, ["limit_seconds"]),
        (#""limit_seconds": 1, "on_overdue": "notify""#, []), (#""limit_seconds": 1, "on_overdue": "report_error""#, []),
        (#""limit_seconds": 1, "on_overdue": "fail""#, ["on_overdue"]), (#""limit_seconds": 1, "on_overdue": 1"#, ["on_overdue"]),
        (#""on_overdue": "notify""#, ["on_overdue"]), (#""limit_second": 1"#, ["limit_second"]),
    ]) func saysWhatIsWrong(members: String, faults: [String]) {
        #expect(
            DefinitionReader.faults("{\"flow_type\": \"f\", \"phases\": [{\"name\": \"a\", \(members)}]}").map(\.path)
                == faults.map { "/phases/0/\($0)" })
        #expect(
            DefinitionReader.faults("{\"flow_type\": \"f\", \"statuses\": [{\"name\": \"a\"}, {\"name\": \"b\", \(members)}]}").map(\.path)
                == faults.map { "/statuses/1/\($0)" })
    }

    @Test func nothingIsOverdueWhereFlowsEnd() {
        let phase = DefinitionReader.faults(#"{"flow_type": "f", "phases": [{"name": "a", "terminal": true, "limit_seconds": 9}]}"#)
        #expect(phase.map(\.path) == ["/phases/0/limit_seconds"])
        #expect(phase.map(\.message) == ["has no use: a flow ends in a terminal phase"])
        let status = DefinitionReader.faults(#"{"flow_type": "f", "statuses": [{"name": "a", "next": [], "limit_seconds": 9}]}"#)
        #expect(status.map(\.path) == ["/statuses/0/limit_seconds"])
        #expect(status.map(\.message) == ["has no use: a flow ends with a status that none may follow"])
    }

    @Test func notifiesUnlessItSaysOtherwise() throws {
        let definition = try definition()
        #expect(definition.phase("work")?.limit == TimeLimit(seconds: 60, action: .notify))
        #expect(definition.phase("check")?.limit == TimeLimit(seconds: 5, action: .reportError))
        #expect(definition.phase("wait")?.limit == nil && definition.hasTimeLimits && definition.concernsSaves)
        let without = try self.definition(#"{"flow_type": "t", "on_save": "off", "statuses": [{"name": "a"}]}"#)
        #expect(!without.hasTimeLimits && !without.concernsSaves && without.limitTable == nil)
        let only = try self.definition(#"{"flow_type": "t", "on_save": "off", "statuses": [{"name": "a", "limit_seconds": 1}]}"#)
        #expect(only.concernsSaves)
    }

    // MARK: Saves

    @Test func aSaveTakesTheLimitsOfWhatItGives() throws {
        let definition = try definition()
        let none = (phase: "", status: "")
        #expect(definition.limits(entering: "work", "stuck", from: none) == EnteredLimits(phase: 60, status: 7))
        #expect(definition.limits(entering: "check", nil, from: none) == EnteredLimits(phase: 5))
        #expect(definition.limits(entering: nil, nil, from: none) == nil)
        for (phase, status) in [("wait", nil), ("wait", "open"), ("unheard of", "of")] as [(String?, String?)] {
            #expect(definition.limits(entering: phase, status, from: none) == EnteredLimits(), "a limit may end with it")
        }
        #expect(definition.limits(entering: "done", "stuck", from: none)?.endsFlow == true)
        #expect(definition.limits(entering: "work", "closed", from: none)?.endsFlow == true)
        #expect(definition.limits(entering: nil, "stuck", from: ("done", ""))?.endsFlow == true)
        #expect(definition.limits(entering: "work", "open", from: ("done", "closed")) == EnteredLimits(phase: 60))
        let table = #"{"phases":{"work":60,"check":5,"done":-1},"statuses":{"stuck":7,"bad":9,"closed":-1}}"#
        #expect(definition.limitTable == table)
    }

    @Test func phaseAndStatusOfTheStateHaveLimitsToo() throws {
        let definition = try definition(
            Self.document.replacing(#""t","#, with: #""t", "paths": {"phase": "/p", "status": "/s"}, "on_save": "off","#))
        let key = try FlowKey(tenant: "t", flowID: "f", limits: .defaults)
        let follow = { (state: String, place: CurrentPlace) in
            try SaveCommand(key: key, actor: "a", state: Array(state.utf8))
                .following(definition, from: place, limits: Limits(), budget: .usual).command.timeLimits
        }
        #expect(try follow(#"{"p": "check", "s": "stuck"}"#, .unknown) == EnteredLimits(phase: 5, status: 7))
        #expect(try follow("{}", .absent) == EnteredLimits(phase: 60), "the first phase")
        #expect(try follow("{}", .unknown) == nil)
        // Another save may have moved it on by then; if it has ended, it is not reported.
        #expect(try follow(#"{"s": "stuck"}"#, .at(phase: "done", status: "open")) == EnteredLimits(status: 7))
        #expect(try follow("{}", .at(phase: "done", status: "open")) == nil)
    }

    // MARK: What is done

    private func overdue(
        _ phase: String, _ status: String, ofPhase: Bool = true, ofStatus: Bool = false, isDeleted: Bool = false
    ) throws -> OverdueFlow {
        OverdueFlow(
            key: try FlowKey(tenant: "t", flowID: "f", limits: .defaults), version: 3, flowType: "t", definitionRevision: 1, phase: phase,
            status: status, isDeleted: isDeleted,
            mark: OverdueMark(dueAt: Timestamp(microseconds: 0), foundAt: Timestamp(microseconds: 1)), isOfPhase: ofPhase,
            isOfStatus: ofStatus)
    }

    private func action(_ flow: OverdueFlow) throws -> OverdueAction {
        flow.action(by: try definition(), actor: "server", notificationID: "n")
    }

    @Test func aNotificationSaysHowLongWhere() throws {
        guard case .notify(let notification) = try action(overdue("work", "stuck", ofStatus: true)) else {
            Issue.record("no notification")
            return
        }
        #expect(notification.id == "n" && notification.level == .warning && notification.title == #"flow "f" is overdue"#)
        #expect(
            notification.message == "It is in phase \"work\" for longer than 60 s and with status \"stuck\" for longer than 7 s: overdue "
                + "since 1970-01-01T00:00:00.000000Z. Look at what it waits for.")
        guard case .notify(let ofStatus) = try action(overdue("work", "stuck", ofPhase: false, ofStatus: true)) else {
            Issue.record("no notification")
            return
        }
        #expect(!ofStatus.message.contains("work") && ofStatus.message.contains("with status"))
    }

    /// If both have passed and one asks for an error report, that tells of both.
    @Test(arguments: [("check", "open", false), ("work", "bad", true), ("check", "stuck", true)])
    func anErrorReportSaysItToo(phase: String, status: String, ofStatus: Bool) throws {
        guard case .report(let report) = try action(overdue(phase, status, ofStatus: ofStatus)) else {
            Issue.record("no error report")
            return
        }
        #expect(report.report.errorType == "overdue" && report.request.precondition == .expected(3) && report.request.actor == "server")
        #expect(report.report.message.contains("in phase \"\(phase)\"") && report.report.message.contains(status) == ofStatus)
    }

    @Test func whoHasEndedOrHasNoLimitAnyMoreIsNotReported() throws {
        for (phase, status) in [("done", "stuck"), ("work", "closed")] {
            #expect(try action(overdue(phase, status, ofStatus: true)) == .forget(all: true))
        }
        #expect(try action(overdue("work", "stuck", isDeleted: true)) == .forget(all: true))
        #expect(try action(overdue("wait", "stuck")) == .forget(all: false))
        #expect(try action(overdue("work", "open", ofPhase: false, ofStatus: true)) == .forget(all: false))
        #expect(try overdue("work", "stuck").action(by: nil, actor: "a", notificationID: "n") == .forget(all: true))
    }
}
