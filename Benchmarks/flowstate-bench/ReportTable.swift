import Foundation

extension Report {
    /// The report for people.
    var table: String {
        var lines = [heading, ""]
        let header = ["operation", "calls", "calls/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "errors"]
        let rows = operations.sorted { $0.key < $1.key }.map { name, operation in
            [
                name, "\(operation.count)", String(format: "%.0f", operation.rate),
            ]
                + [operation.p50Ms, operation.p90Ms, operation.p99Ms, operation.p999Ms, operation.maxMs].map {
                    String(format: "%.2f", $0)
                } + ["\(operation.errors)"]
        }
        lines += Self.align([header] + rows)
        lines += ["", latencyNote]
        let calls = operations.values.reduce(0) { $0 + $1.count }
        if calls > 0 {
            lines.append(processorTime(calls))
        }
        if let conversation {
            lines.append(
                "flow \(conversation.flowId) of tenant \(conversation.tenant): \(conversation.turns) turns, "
                    + "\(conversation.rawBytes) bytes of states")
        }
        if unsent > 0 {
            lines.append("\(unsent) calls were due and never sent: the server did not keep up with --rate.")
        }
        for (name, operation) in operations.sorted(by: { $0.key < $1.key }) {
            for (reason, failure) in operation.failures.sorted(by: { $0.key < $1.key }) {
                lines.append("\(name): \(failure.count) × \(reason): \(failure.message)")
            }
            if operation.count == 0 { lines.append("\(name): no call that was due after the warm-up was answered") }
            if operation.p99Ms >= p99LimitMs {
                lines.append("\(name): p99 is not below \(p99LimitMs) ms (--p99-limit)")
            }
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private func processorTime(_ calls: Int) -> String {
        let times = [("this program", clientCpuSeconds), ("the server", serverCpuSeconds), ("its PostgreSQL", postgresCpuSeconds)]
        let shown = times.compactMap { name, seconds in
            seconds.map { name + String(format: " %.2f µs", $0 * 1e6 / Double(calls)) }
        }
        return "Processor time a call: " + shown.joined(separator: ", ") + "."
    }

    private var heading: String {
        let origin = server.version.map { " (flowstate \($0), started for this run)" } ?? ""
        return """
            \(command): \(conversation == nil ? load : "one call at a time")
            server: \(server.endpoint)\(origin)
            """
    }

    private var load: String {
        let kind = configuration.rate.map { "open loop, \(Self.number($0)) calls/s, at most" } ?? "closed loop,"
        return """
            \(kind) \(configuration.inFlight) calls in flight on \(configuration.connections) connections, \
            \(configuration.flows) flows of \(configuration.stateSize) bytes\(skew), \(Self.number(configuration.duration)) s \
            after \(Self.number(configuration.warmup)) s of warm-up
            """
    }

    private var skew: String { configuration.distribution == .zipf ? " by Zipf's law" : "" }

    private var latencyNote: String {
        loop == "closed"
            ? "Latency counts from when a call was sent: a server that stalls is sent less meanwhile. See --rate."
            : "Latency counts from when a call was due."
    }

    private static func number(_ value: Double) -> String { String(format: "%g", value) }

    /// Columns as wide as they need to be; numbers to the right.
    static func align(_ rows: [[String]]) -> [String] {
        let widths = rows.reduce(into: [Int](repeating: 0, count: rows.first?.count ?? 0)) { widths, row in
            for (column, cell) in row.enumerated() { widths[column] = max(widths[column], cell.count) }
        }
        return rows.map { row in
            row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }
    }
}
