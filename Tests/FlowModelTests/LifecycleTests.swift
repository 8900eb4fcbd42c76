import Testing

@testable import FlowModel
@testable import JSON

/// Decisions about the life of a flow, without a server.
@Suite struct LifecycleTests {
    private let now = Timestamp(microseconds: 1_764_064_800_000_001)

    private func definition(_ flowType: String = BuiltInDefinitions.unifiedDiscovery) throws -> FlowDefinition {
        try DefinitionReader.read(try #require(BuiltInDefinitions.record(flowType)).document, limits: Limits())
    }

    private func snapshot(_ state: String, phase: String = "", status: String = "") throws -> Snapshot {
        let time = Timestamp(microseconds: 0)
        let head = FlowHead(
            key: try FlowKey(tenant: "t", flowID: "f", limits: Limits()), flowType: "unified_discovery", version: 3, phase: phase,
            status: status, progress: nil, labels: .none, createdAt: time, updatedAt: time, deletedAt: nil)
        let version = VersionRecord(
            version: 3, parentVersion: 2, kind: .saved, actor: "a", contentType: "application/json", size: Int64(state.utf8.count),
            digest: [], phase: phase, status: status, progress: nil, versionLabel: nil, metadata: [], createdAt: time, checkpoints: [])
        return Snapshot(head: head, version: version, state: Array(state.utf8))
    }

    private func request() throws -> LifecycleRequest {
        LifecycleRequest(key: try FlowKey(tenant: "t", flowID: "f", limits: Limits()), actor: "a")
    }

    private static let start = """
        {"flow_id": "f", "client_account_id": "", "current_phase": "initialization", "status": "running", "progress_percentage": 0,\
         "phase_completion": {}, "n": 123456789012345678901234567890}
        """

    @Test func timesAreSpelledAsRFC3339() {
        let spelled: [(Int64, String)] = [
            (0, "1970-01-01T00:00:00.000000Z"), (-1, "1969-12-31T23:59:59.999999Z"), (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_764_064_800_000_001, "2025-11-25T10:00:00.000001Z"), (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
            (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"), (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        ]
        for (microseconds, text) in spelled {
            #expect(Timestamp(microseconds: microseconds).text == text)
            #expect(TextFormat.isTimestamp(text.utf8))
        }
    }

    @Test func aTransitionWritesWhatTheDefinitionSays() throws {
        let command = TransitionCommand(
            try request(), phase: "data_import", reason: "go", phaseData: Array(#"{"x": 1.0}"#.utf8), checkpointID: "id")
        let save = try command.next(try snapshot(Self.start), try definition(), now: now, limits: Limits())
        let state = try JSONDocument(save.state, maximumDepth: 10).root
        #expect(state["current_phase"]?.string == "data_import")
        #expect(state["progress_percentage"]?.double == 10)
        #expect(state["phase_completion"]?["initialization"]?.isTrue == true)
        #expect(state["data_import_data"].map { Array($0.text) } == Array(#"{"x": 1.0}"#.utf8))
        #expect(state["updated_at"]?.string == now.text)
        #expect(state["n"].map { String(decoding: $0.text, as: UTF8.self) } == "123456789012345678901234567890")
        #expect(save.phase == "data_import" && save.progress == 10 && save.kind == .transitioned)
        #expect(save.checkpoint?.isOfVersionBefore == true)
        #expect(String(decoding: save.metadata, as: UTF8.self) == #"{"from":"initialization","to":"data_import","reason":"go"}"#)
    }

    @Test func aTransitionNamesWhatIsMissing() throws {
        let command = TransitionCommand(try request(), phase: "asset_creation", checkpointID: "id")
        let error = #expect(throws: StateError.self) {
            try command.next(try snapshot(Self.start), try definition(), now: now, limits: Limits())
        }
        #expect(
            error
                == .transitionNotAllowed(
                    from: "initialization", to: "asset_creation", missing: ["data_import", "field_mapping", "data_cleansing"]))
    }

    /// Whatever the state is: the report becomes a version, and its metadata has it.
    @Test(arguments: [
        "", "no json", "[]", "null", "{}", #"{"errors": 1}"#, #"{"errors": {"a": []}}"#, #"{"errors": [1], "status": {}}"#,
        #"{"status": "completed"}"#, #"{"errors": null, "updated_at": []}"#, String(repeating: "[", count: 5_000), "{\"a\": \"\u{0}\"}",
    ])
    func anErrorReportIsNeverRefused(state: String) throws {
        let command = ReportErrorCommand(try request(), message: "it \"broke\"\n", details: Array(#"{"a": 1}"#.utf8), notificationID: "n")
        for definition in [try definition(), try definition(BuiltInDefinitions.open), nil] {
            let save = try command.next(try snapshot(state), definition, now: now, limits: Limits())
            let metadata = try JSONDocument(save.metadata, maximumDepth: 10).root
            #expect(metadata["error"]?.string == "it \"broke\"\n" && metadata["details"]?["a"]?.double == 1)
            #expect(save.kind == .errorReported)
        }
    }

    @Test func editsMakeWhatIsNotThere() throws {
        var edit = StateEdit(try JSONDocument(Array(#"{"a": {"b": null}, "l": null, "s": "x"}"#.utf8), maximumDepth: 10))
        try edit.set(JSONPointer(["a", "b", "c"]), "1")
        try edit.set(JSONPointer(["a", "b", "d~/"]), string: "\u{1}\"")
        try edit.append(JSONPointer(["l"]), "2")
        #expect(throws: StateError.self) { try edit.set(JSONPointer(["s", "x"]), "1") }
        let root = try JSONDocument(try edit.applied(Limits()), maximumDepth: 10).root
        #expect(root["a"]?["b"]?["c"]?.double == 1 && root["a"]?["b"]?["d~/"]?.string == "\u{1}\"")
        #expect(root["l"]?[0]?.double == 2 && root["s"]?.string == "x")
    }
}
