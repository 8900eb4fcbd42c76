import Testing

@testable import FlowModel
@testable import JSON

@Suite struct NotificationTests {
    @Test func pausesAreDoubledUpToAnHour() {
        let schedule = DeliverySchedule(attempts: 16)
        var generator = SystemRandomNumberGenerator()
        for attempt in 1...15 {
            let whole = min(Double(1 << (attempt - 1)), 3_600)
            for _ in 0..<100 {
                let pause = schedule.pause(afterAttempt: attempt, using: &generator)
                #expect(pause.map { whole / 2...whole ~= $0 } ?? false, "after attempt \(attempt): \(String(describing: pause))")
            }
        }
        #expect(schedule.pause(afterAttempt: 16, using: &generator) == nil)
        #expect(schedule.allows(attempt: 16) && !schedule.allows(attempt: 17))
        #expect(DeliverySchedule(attempts: 1).pause(afterAttempt: 1, using: &generator) == nil)
    }

    @Test func aPayloadIsJSONWhateverStandsInIt() throws {
        let key = try FlowKey(tenant: "acme", flowID: #"a "flow""#, limits: .defaults)
        let record = NotificationRecord(
            id: "n", key: key, version: 7, level: .error, title: "t\u{7F}", message: "one\ntwo \\ \u{0}é",
            createdAt: Timestamp(microseconds: 1))
        let root = try JSONDocument(record.payload, maximumDepth: 2).root
        #expect(root["flow_id"]?.string == #"a "flow""# && root["message"]?.string == record.message)
        #expect(root["version"]?.double == 7 && root["level"]?.string == "error" && root["tenant"]?.string == "acme")
        #expect(root["created_at"]?.string == "1970-01-01T00:00:00.000001Z")
        #expect(record.payload == record.payload)
    }

    @Test func noNotificationHasNUL() {
        let request = NotificationRequest(id: "n", level: .info, title: "a\u{0}b", message: "\u{0}\r\n\u{0}")
        #expect(request.title == "a\u{FFFD}b" && request.message == "\u{FFFD}\r\n\u{FFFD}")
    }
}
