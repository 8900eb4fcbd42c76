import Resources
import Testing

@testable import Postgres

/// Which server a process works with.
@Suite struct KnownPrimaryTests {
    let now = Instant.now

    func server(_ timeline: UInt32, _ system: String = "s") -> ServerIdentity { ServerIdentity(system: system, timeline: timeline) }

    @Test func sessionsOfOnePrimaryShareAGeneration() {
        var known = KnownPrimary()
        #expect(known.admit(server(1), host: 0, now: now) == .admitted(generation: 0))
        #expect(known.admit(server(1), host: 0, now: now) == .admitted(generation: 0))
        #expect(known.admit(nil, host: 0, now: now) == .admitted(generation: 0), "a server that does not tell is taken")
    }

    @Test func aPromotedServerTakesOver() {
        var known = KnownPrimary()
        _ = known.admit(server(1), host: 0, now: now)
        let takesOver = known.observe(server(2), host: 1, isOnly: false, now: now)
        #expect(takesOver)
        #expect(known.generation == 1 && known.host == 1)
        guard case .refused(let reason) = known.admit(server(1), host: 0, now: now) else {
            Issue.record("took the old primary")
            return
        }
        #expect(reason.contains("timeline 1"))
        #expect(known.admit(server(2), host: 1, now: now) == .admitted(generation: 1))
    }

    @Test func anOldPrimaryThatIsSeenChangesNothing() {
        var known = KnownPrimary()
        _ = known.admit(server(2), host: 1, now: now)
        let isOlder = known.observe(server(1), host: 0, isOnly: false, now: now)
        #expect(!isOlder)
        let isOther = known.observe(server(1, "other"), host: 0, isOnly: false, now: now)
        #expect(!isOther)
        #expect(known.generation == 0)
    }

    /// A backup that was restored is on an older timeline, and right.
    @Test func anOlderTimelineIsTakenWhenNothingSpeaksForTheNewer() {
        var known = KnownPrimary()
        guard case .admitted(let generation) = known.admit(server(3), host: 0, now: now) else { return }
        let later = now + KnownPrimary.memory
        guard case .refused = known.admit(server(2), host: 0, now: later) else {
            Issue.record("took it beside a session of the newer")
            return
        }
        known.closed(generation: generation)
        #expect(known.admit(server(2), host: 0, now: later) == .admitted(generation: 1))
    }

    @Test func anAddressThatWasMovedLeadsToAnotherSystem() {
        var known = KnownPrimary()
        _ = known.admit(server(1), host: 0, now: now)
        let takesOver = known.observe(server(1, "other"), host: 0, isOnly: true, now: now)
        #expect(takesOver)
        #expect(known.admit(server(1, "other"), host: 0, now: now) == .admitted(generation: 1))
    }

    @Test func theTimelineIsInTheFilesName() {
        #expect(ServerIdentity(system: "7", walFile: "0000000A0000000000000003") == server(10, "7"))
        #expect(ServerIdentity(system: "7", walFile: "") == nil && ServerIdentity(system: "", walFile: "00000001") == nil)
    }
}

@Suite struct ConditionLogTests {
    let now = Instant.now

    @Test func tellsWhenItBeginsWhileItLastsAndWhenItIsOver() {
        var log = ConditionLog()
        #expect(log.failed("53100", "disk full", now: now) == .began("disk full"))
        for second in 1..<30 { #expect(log.failed("53100", "disk full", now: now + .seconds(second)) == nil) }
        #expect(log.failed("53100", "disk full", now: now + .seconds(30)) == .lasts("disk full", count: 31))
        #expect(log.succeeded(now: now + .seconds(31)).isEmpty, "one that goes well amid others that fail")
        #expect(log.succeeded(now: now + .seconds(33)) == [.ended("disk full", count: 31)])
        #expect(log.isEmpty)
    }

    @Test func conditionsAreToldApart() {
        var log = ConditionLog()
        #expect(log.failed("a", "1", now: now) == .began("1"))
        #expect(log.failed("b", "2", now: now) == .began("2"))
        for number in 0..<100 { _ = log.failed("\(number)", "x", now: now) }
        #expect(log.succeeded(now: now + .seconds(3)).count == ConditionLog.capacity)
    }

    @Test func whatConcernsOneCallerIsNoCondition() {
        let server = { (state: String) in PostgresError.server(SQLState(rawValue: state), message: "m", detail: nil, constraint: nil) }
        #expect(["22003", "23505"].allSatisfy { Conditions.condition(server($0)) == nil })
        #expect(["53100", "42501", "57014", "40P01"].allSatisfy { Conditions.condition(server($0))?.key == $0 })
        #expect(Conditions.condition(.cancelled) == nil && Conditions.condition(.deadlineExceeded) == nil)
    }
}

@Suite struct NoticeTests {
    @Test func theWarningIsKnownInEveryLanguage() {
        #expect(Notices.concernsReplication(function: "SyncRepWaitForLSN", message: "warte nicht länger"))
        #expect(Notices.concernsReplication(function: nil, message: "canceling wait for synchronous replication due to user request"))
        #expect(!Notices.concernsReplication(function: "exec_stmt_raise", message: "careful"))
    }
}
