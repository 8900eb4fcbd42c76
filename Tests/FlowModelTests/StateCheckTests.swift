import FlowModel
import TestSupport
import Testing

struct StateCheckTests {
    private let check = StateCheck(limits: Limits())

    private func save(_ change: (inout SaveCommand) -> Void = { _ in }) throws -> SaveCommand {
        var save = try SaveCommand(key: FlowKey(tenant: "t", flowID: "f", limits: .defaults), actor: "a", state: Array("{}".utf8))
        change(&save)
        return save
    }

    /// The field that the error names.
    private func field(_ change: (inout SaveCommand) -> Void) throws -> String? {
        let command = try save(change)
        do throws(StateError) {
            try check.check(command)
            return nil
        } catch {
            switch error {
            case .invalidArgument(let field, _): return field
            case .tooLarge(let what, _, _): return what
            case .stateInvalid(let violations): return violations.first?.rule
            default: return error.reason
            }
        }
    }

    @Test func everyBrokenRuleNamesItsField() throws {
        let long = String(repeating: "x", count: 256)
        let cases: [(String?, (inout SaveCommand) -> Void)] = [
            (nil, { _ in }),
            (
                nil,
                {
                    $0.phase = ""; $0.status = ""; $0.flowType = ""; $0.actor = ""; $0.progress = 100; $0.labels = Labels.none
                }
            ),
            ("actor", { $0.actor = "\n" }), ("flow_type", { $0.flowType = long }), ("phase", { $0.phase = long }),
            ("status", { $0.status = "\0" }), ("version_label", { $0.versionLabel = "" }),
            ("progress", { $0.progress = .nan }), ("progress", { $0.progress = -0.1 }), ("progress", { $0.progress = 100.1 }),
            ("progress", { $0.progress = .infinity }), ("labels name", { $0.labels = Labels(["": ""]) }),
            ("expected_version", { $0.precondition = .expected(-1) }), ("expected_version", { $0.precondition = .expected(.min) }),
            ("parent_version", { $0.parentVersion = 0 }),
            (
                "parent_version",
                {
                    $0.parentVersion = 1; $0.precondition = .expected(0)
                }
            ),
            ("checkpoint", { $0.checkpoint = CheckpointRequest(id: "i", name: "") }),
            ("description", { $0.checkpoint = CheckpointRequest(id: "i", description: String(repeating: "x", count: 4_097)) }),
            ("description", { $0.checkpoint = CheckpointRequest(id: "i", description: "\0") }),
            ("idempotency_key", { $0.idempotencyKey = "" }), ("idempotency_key", { $0.idempotencyKey = long }),
            ("metadata", { $0.metadata = Array("{".utf8) }), ("metadata", { $0.metadata = [UInt8](repeating: 0x20, count: 65_537) }),
            ("syntax", { $0.state = [] }), ("syntax", { $0.state = Array("{".utf8) }),
            ("syntax", { $0.state = Array(String(repeating: "[", count: 257).utf8) + Array(String(repeating: "]", count: 257).utf8) }),
            ("state", { $0.state = [UInt8](repeating: 0x20, count: (15 << 20) + 1) }),
        ]
        for (index, (expected, change)) in cases.enumerated() {
            #expect(try field(change) == expected, "case \(index)")
        }
    }

    @Test func opaqueStatesAreNotLookedAt() throws {
        let binary = try ContentType(parsing: "application/octet-stream", limits: .defaults)
        #expect(
            try field {
                $0.state = [0xFF]; $0.contentType = binary
            } == nil)
        #expect(
            try field {
                $0.state = []; $0.contentType = binary
            } == nil)
    }

    @Test func theMessageTellsThePosition() throws {
        let error = #expect(throws: StateError.self) { try check.check(save { $0.state = Array("{\n\"a\": nope}".utf8) }) }
        #expect(error?.message.contains("line 2, column 7 (byte 8): expected a value") == true)
    }

    @Test func readsAreCheckedToo() throws {
        let key = try FlowKey(tenant: "t", flowID: "f", limits: .defaults)
        for selector in [LoadSelector.version(0), .version(-1), .checkpoint(""), .label("\n"), .time(Timestamp(microseconds: .max))] {
            #expect(throws: StateError.self) { try check.check(LoadCommand(key: key, selector: selector)) }
        }
        #expect(throws: StateError.self) { try check.check(LoadCommand(key: key, ifVersionNot: -1)) }
        var list = ListFlowsCommand(tenant: "t")
        try check.check(list)
        list.filter.created = TimeRange(start: Timestamp(microseconds: 2), end: Timestamp(microseconds: 2))
        #expect(throws: StateError.self) { try check.check(list) }
        #expect(throws: StateError.self) { try check.pageSize(-1) }
        #expect(try check.pageSize(0) == 50)
        #expect(try check.pageSize(1_001) == 1_000)
    }

    @Test func everyErrorHasAReasonAndAMessage() throws {
        let errors: [StateError] = [
            .versionConflict(flowID: "f", expected: 0, actual: 2), .versionConflict(flowID: "f", expected: 1, actual: 2),
            .versionConflict(flowID: "f", expected: 1, actual: 0), .flowAlreadyExists(flowID: "f", version: 1, deleted: false),
            .flowAlreadyExists(flowID: "f", version: 1, deleted: true), .stateInvalid([.init(path: "/a", rule: "type", message: "m")]),
            .transitionNotAllowed(from: "a", to: "b", missing: ["c"]), .recoveryFailed(flowID: "f", tried: ["repair"]),
            .leaseLost(flowID: "f", holder: "h", token: 1), .flowNotFound(flowID: "f", deleted: true),
            .flowNotFound(flowID: "f", deleted: false), .versionNotFound(flowID: "f", selector: "version 1"),
            .checkpointNotFound(flowID: "f", checkpoint: "c"), .checkpointAlreadyExists(flowID: "f", checkpoint: "c"),
            .tooLarge(what: "state", size: 2, limit: 1), .idempotencyKeyReused(key: "k"),
            .databaseUnavailable(message: "m", outcomeUnknown: true, retryAfterMilliseconds: 1),
            .overloaded(queued: 1, limit: 1, unit: "bytes", retryAfterMilliseconds: 1), .invalidArgument(field: "f", message: "m"),
            .deadlineExceeded(outcomeUnknown: true), .cancelled, .dataLoss(flowID: "f", version: 1, message: "m"), .internalFault("m"),
        ]
        for error in errors {
            #expect(!error.message.isEmpty)
            #expect(error.reason.utf8.allSatisfy { $0 == UInt8(ascii: "_") || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) })
        }
        #expect(errors.filter { $0.retryAfterMilliseconds != nil }.count == 2)
    }
}

struct PageTokenTests {
    private let fingerprint = {
        var fingerprint = Fingerprint()
        fingerprint.combine("filter")
        return fingerprint
    }()

    @Test func comesBackAsItWas() throws {
        for position in [
            PageToken.Position(), .init(number: .min, text: "é🦊"), .init(number: .max, text: String(repeating: "x", count: 255)),
        ] {
            let token = PageToken(list: .flows, fingerprint: fingerprint, position: position)
            #expect(try PageToken(text: token.text).position(list: .flows, fingerprint: fingerprint) == position)
            #expect(token.text.utf8.allSatisfy { $0 < 0x7F && $0 > 0x20 })
        }
    }

    @Test func anyChangeIsNoticed() throws {
        let token = PageToken(list: .flows, fingerprint: fingerprint, position: .init(number: 7, text: "flow"))
        var random = SeededGenerator(seed: 1)
        for _ in 0..<5_000 {
            var text = Array(token.text.utf8)
            let index = Int.random(in: text.indices, using: &random)
            text[index] = Bool.random(using: &random) ? UInt8.random(in: 0x20...0x7E, using: &random) : UInt8(ascii: "A")
            let changed = PageToken(text: String(decoding: text, as: UTF8.self))
            if changed == token { continue }
            #expect(throws: StateError.self) { try changed.position(list: .flows, fingerprint: fingerprint) }
        }
        for text in ["", "A", "====", String(repeating: "A", count: 10_000), "é"] {
            #expect(throws: StateError.self) { try PageToken(text: text).position(list: .flows, fingerprint: fingerprint) }
        }
        #expect(throws: StateError.self) { try token.position(list: .versions, fingerprint: fingerprint) }
        #expect(throws: StateError.self) { try token.position(list: .flows, fingerprint: Fingerprint()) }
    }
}
