import Histogram

/// The measurements of one operation.
struct OperationMeasurement: Sendable {
    struct Failures: Sendable {
        var count = 0
        /// The message of the first one.
        let message: String
    }

    /// Latencies of the calls that succeeded, in microseconds, to three significant digits; it grows as needed.
    private(set) var latencies = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
    /// By reason.
    private(set) var failures: [String: Failures] = [:]

    var count: Int { Int(latencies.totalCount) }
    var errors: Int { failures.values.reduce(0) { $0 + $1.count } }

    mutating func record(nanoseconds: Int64) {
        latencies.record(UInt64(max(nanoseconds, 0) / 1_000))
    }

    mutating func fail(_ reason: String, _ message: String, count: Int) {
        failures[reason, default: Failures(message: message)].count += count
    }

    mutating func add(_ other: OperationMeasurement) {
        if other.count > 0 { latencies.add(other.latencies) }
        for (reason, failure) in other.failures { fail(reason, failure.message, count: failure.count) }
    }

    /// A percentile in milliseconds; 0 when nothing was measured.
    func milliseconds(percentile: Double) -> Double {
        count == 0 ? 0 : Double(latencies.valueAtPercentile(percentile)) / 1_000
    }

    var meanMilliseconds: Double { count == 0 ? 0 : latencies.mean / 1_000 }
    var maximumMilliseconds: Double { count == 0 ? 0 : Double(latencies.max) / 1_000 }
}

/// The measurements of the connections of one thread, or of all.
struct Measurement: Sendable {
    private var operations = Operation.allCases.map { _ in OperationMeasurement() }
    /// When the last of the measured calls was answered, by the monotonic clock.
    var lastAnswer: Int64
    /// Calls that were due but never sent, because as many as allowed were in flight.
    var unsent = 0

    init(start: Int64) { lastAnswer = start }

    subscript(operation: Operation) -> OperationMeasurement {
        _read { yield operations[operation.rawValue] }
        _modify { yield &operations[operation.rawValue] }
    }

    mutating func add(_ other: Measurement) {
        for operation in Operation.allCases { self[operation].add(other[operation]) }
        lastAnswer = max(lastAnswer, other.lastAnswer)
        unsent += other.unsent
    }
}

/// Shared by the connections of one thread: a histogram for each of a thousand connections would take too long to make.
final class Recorder {
    var measurement: Measurement

    init(start: Int64) { measurement = Measurement(start: start) }
}
