import FlowStateClient
import Histogram
import NIOCore

/// What was measured of one operation.
struct OperationMeasurement: Sendable {
    struct Failures: Sendable {
        var count = 0
        /// Of the first one.
        let message: String
    }

    /// Latencies of the calls that succeeded, in microseconds, to three significant digits; it grows as needed.
    private(set) var latencies = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
    /// By reason.
    private(set) var failures: [String: Failures] = [:]

    var count: Int { Int(latencies.totalCount) }
    var errors: Int { failures.values.reduce(0) { $0 + $1.count } }

    mutating func record(_ latency: TimeAmount) {
        latencies.record(UInt64(max(latency.nanoseconds, 0) / 1_000))
    }

    mutating func record(_ error: ClientError) { fail(error.reason ?? error.code.name, error.message, count: 1) }

    mutating func fail(_ reason: String, _ message: String, count: Int) {
        failures[reason, default: Failures(message: message)].count += count
    }

    mutating func add(_ other: OperationMeasurement) {
        latencies.add(other.latencies)
        for (reason, failure) in other.failures { fail(reason, failure.message, count: failure.count) }
    }

    /// A percentile in milliseconds; 0 when nothing was measured.
    func milliseconds(percentile: Double) -> Double {
        count == 0 ? 0 : Double(latencies.valueAtPercentile(percentile)) / 1_000
    }

    var meanMilliseconds: Double { count == 0 ? 0 : latencies.mean / 1_000 }
    var maximumMilliseconds: Double { count == 0 ? 0 : Double(latencies.max) / 1_000 }
}

/// What was measured on one connection, or on all.
struct Measurement: Sendable {
    var load = OperationMeasurement()
    var save = OperationMeasurement()
    /// When the last of the calls measured was answered.
    var lastAnswer: NIODeadline
    /// Calls that were due and never sent, because as many as allowed were in flight.
    var unsent = 0

    init(start: NIODeadline) { lastAnswer = start }

    subscript(operation: Operation) -> OperationMeasurement {
        _read {
            switch operation {
            case .load: yield load
            case .save: yield save
            }
        }
        _modify {
            switch operation {
            case .load: yield &load
            case .save: yield &save
            }
        }
    }

    mutating func add(_ other: Measurement) {
        load.add(other.load)
        save.add(other.save)
        lastAnswer = max(lastAnswer, other.lastAnswer)
        unsent += other.unsent
    }
}
