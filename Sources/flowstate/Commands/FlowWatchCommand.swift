import ArgumentParser
import FlowStateClient
import Foundation

/// `flowstate flow watch`
struct FlowWatchCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Show versions as they are committed, until it is interrupted.",
        discussion: """
            Without flow ids: of every flow that the filters match. Begins with what is committed from now on, unless \
            --after-version or --cursor say otherwise. When the connection breaks it goes on where it was. JSON output is one \
            document a line, with the cursor that goes on after it, and states in base64.

              flowstate flow watch
              flowstate flow watch order-17 --after-version 0 --state
              flowstate flow watch --type order --status failed --output json
            """)

    @Argument(help: "Only these flows.")
    var ids: [String] = []

    @Option(parsing: .unconditional, help: ArgumentHelp("With the versions after this one; needs one flow.", valueName: "version"))
    var afterVersion: Int64?

    @Option(parsing: .unconditional, help: "After this cursor, from an earlier watch (base64).")
    var cursor: String?

    @Flag(help: "Show the states too.")
    var state = false

    @Option(parsing: .unconditional, help: ArgumentHelp("End after so many versions.", valueName: "count"))
    var count: Int?

    @Option(
        name: .customLong("type"), parsing: .unconditional, help: ArgumentHelp("Only flows of this type.", valueName: "flow-type"))
    var flowType = ""

    @Option(parsing: .unconditional, help: "Only versions in this phase.")
    var phase = ""

    @Option(parsing: .unconditional, help: "Only versions with this status.")
    var status = ""

    @Option(
        name: .customLong("label"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Only flows with this label; repeat it for more.", valueName: "key=value"))
    var labels: [LabelArgument] = []

    @Option(parsing: .unconditional, help: ArgumentHelp("Only flows whose id begins with this.", valueName: "text"))
    var prefix = ""

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    mutating func validate() throws {
        try LabelArgument.check(labels)
        if let count, count < 1 { throw ValidationError("--count must be at least 1.") }
        if afterVersion != nil, ids.count != 1 {
            throw ValidationError("--after-version needs one flow, since every flow has its own numbers.")
        }
        if afterVersion != nil, cursor != nil { throw ValidationError("Give --after-version or --cursor, not both.") }
        if let cursor, Data(base64Encoded: cursor) == nil { throw ValidationError("--cursor is not base64.") }
    }

    private var start: WatchFlowsRequest.Start? {
        if let afterVersion { return .afterVersion(afterVersion) }
        return cursor.flatMap { Data(base64Encoded: $0) }.map { .cursor(Array($0)) }
    }

    func call(_ client: StateClient, _ console: Console) async throws {
        var table = Table([
            .left("created_at"), .left("flow_id"), .right("version"), .left("event"), .left("actor"), .left("phase"), .left("status"),
        ])
        var left = count
        let filter = FlowFilter(
            flowType: flowType, phase: phase, status: status, labels: LabelArgument.map(labels), flowIDPrefix: prefix)
        for try await event in client.watchFlows(
            WatchFlowsRequest(flowIDs: ids, filter: filter, start: start, includeState: state))
        {
            guard case .change(let change)? = event.event, let version = change.version else { continue }
            try show(change, version, event.cursor, &table, console)
            left = left.map { $0 - 1 }
            if left == 0 { return }
        }
    }

    private func show(
        _ change: Snapshot, _ version: VersionInfo, _ cursor: [UInt8], _ table: inout Table, _ console: Console
    ) throws {
        var fields: [Record.Field] = [("flow_id", .string(change.flow?.flowID ?? ""))] + Record(version).fields
        switch console.format {
        case .table:
            try console.write(table.lines([Record(fields)]))
            if state, !change.state.isEmpty { try console.write(StateView.text(change.state, contentType: version.contentType)) }
        case .json:
            if state { fields.append(("state", .bytes(change.state))) }
            fields.append(("cursor", .bytes(cursor)))
            try console.write(Record(fields).json + "\n")
        }
    }
}
