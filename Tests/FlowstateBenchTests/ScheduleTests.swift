import Testing

@testable import FlowstateBench

@Suite struct ScheduleTests {
    private func schedule(rate: Double, connection: Int = 0, connections: Int = 1) -> (Schedule, Schedule.Pace) {
        let pace = Schedule.Pace(rate: rate, connection: connection, connections: connections)
        return (Schedule(start: 1_000, measureFrom: 1_000_001_000, end: 3_000_001_000, slots: 8, pace: pace), pace)
    }

    @Test func callsAreDueAtEvenIntervals() {
        let (schedule, pace) = schedule(rate: 1_000)
        #expect((0..<4).map { schedule.due($0, pace) } == [1_000, 1_001_000, 2_001_000, 3_001_000])
    }

    @Test func connectionsTakeTurns() {
        let due = (0..<3).flatMap { connection in
            let (schedule, pace) = schedule(rate: 1_000, connection: connection, connections: 3)
            return (0..<100).map { schedule.due($0, pace) }
        }
        #expect(due.sorted() == (0..<300).map { 1_000 + $0 * 1_000_000 })
    }

    @Test func onlyCallsAfterTheWarmUpCountAsUnsent() {
        let (schedule, pace) = schedule(rate: 100)
        #expect(schedule.unsent(from: 0, pace) == 200)
        #expect(schedule.unsent(from: 150, pace) == 150)
        #expect(schedule.unsent(from: 300, pace) == 0)
    }
}
