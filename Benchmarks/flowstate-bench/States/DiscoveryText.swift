/// States of `unified_discovery` flows in the phase in which they are largest: the records that a client imported, what agents say of them,
/// and the log.
enum DiscoveryText {
    private static let beginning = Array(
        """
        {"flow_id":"0b9d6c1e-4c7a-4b63-9d3e-2f1a7c5e8d90","client_account_id":"7c0b54a1-26f5-4a54-8f0e-1d2b7c3a9e11",\
        "engagement_id":"f3a1c2d4-5b6e-4f70-8a91-b2c3d4e5f607","user_id":"system","current_phase":"data_import","status":"running",\
        "progress_percentage":10,"phases_completed":["initialization"],"phase_completion":{"initialization":true,"data_import":false,\
        "field_mapping":false,"data_cleansing":false,"asset_creation":false,"asset_inventory":false,"dependency_analysis":false,\
        "tech_debt_analysis":false},"crew_status":{"data_import":{"agents":2,"state":"active"}},"agent_confidences":{"importer":0.92},\
        "learning_scope":"engagement","memory_isolation_level":"strict","created_at":"2026-01-12T09:30:00Z",\
        "updated_at":"2026-01-12T09:31:07.250Z","started_at":"2026-01-12T09:30:01Z","completed_at":"","errors":[],"warnings":[],\
        "user_clarifications":[{"question":"Which of the two owners is right?","answer":""}],"agent_insights":[{"agent_id":"importer",\
        "text":"Names look alike."}],"metadata":{"source":"upload"},"raw_data":[{"hostname":"srv-1"}
        """.utf8)
    private static let log = Array(#"],"workflow_log":[{"event":"import","text":""#.utf8)
    private static let end = Array(#""}]}"#.utf8)

    /// A state with one small record.
    static let smallest = beginning.count + log.count + end.count

    /// A JSON object of exactly `size` bytes, which must be at least `smallest`.
    static func make(size: Int, using generator: inout SeededGenerator) -> [UInt8] {
        var state = beginning
        state.reserveCapacity(size)
        let room = size - log.count - end.count
        while true {
            let record = record(using: &generator)
            if state.count + record.count > room { break }
            state += record
        }
        state += log
        state += StateText.text(size - state.count - end.count, using: &generator)
        return state + end
    }

    private static func record(using generator: inout SeededGenerator) -> [UInt8] {
        func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
        let head =
            #",{"hostname":"srv-\#(number(100...99_999))","cpu":\#(number(1...64)),"load":0.\#(number(10...99)),"tags":["prod","eu"],"#
        let owner = #""owner":{"team":"t-\#(number(1...40))","confirmed":false},"path":"C:\\data\\\#(number(1...99))","description":""#
        var record = Array(head.utf8) + owner.utf8
        record += StateText.text(number(60...160), using: &generator)
        record += #""}"#.utf8
        return record
    }
}
