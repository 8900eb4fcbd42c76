import CLibPQ

/// The result of one statement. Values arrive in binary format; each accessor checks position, type, length and NULL and throws
/// `PostgresError.protocolViolation` on a mismatch.
///
/// Not `Sendable`: read it in `Operation.decode` and keep only what was read.
package final class ResultRows {
    /// Owned: cleared by `deinit` and nowhere else.
    private let result: OpaquePointer
    /// Number of rows.
    package let count: Int
    package let columnCount: Int

    /// Takes ownership of `result`.
    init(owning result: OpaquePointer) {
        self.result = result
        count = Int(PQntuples(result))
        columnCount = Int(PQnfields(result))
    }

    deinit { PQclear(result) }

    /// Memory that the result takes.
    package var byteCount: Int { Int(clamping: PQresultMemorySize(result)) }

    /// Bytes of a row's values, as they were sent.
    package func byteCount(ofRow row: Int) -> Int {
        (0..<columnCount).reduce(0) { $0 + Int(PQgetlength(result, Int32(truncatingIfNeeded: row), Int32(truncatingIfNeeded: $1))) }
    }

    /// Rows inserted, updated, deleted or selected, according to the command tag.
    package var affectedRows: Int { Int(String(cString: PQcmdTuples(result))) ?? 0 }

    package func isNull(_ row: Int, _ column: Int) throws(PostgresError) -> Bool {
        try checkPosition(row, column)
        return PQgetisnull(result, Int32(row), Int32(column)) == 1
    }

    package func int64(_ row: Int, _ column: Int) throws(PostgresError) -> Int64 {
        try present(int64IfPresent(row, column), row, column)
    }
    package func int64IfPresent(_ row: Int, _ column: Int) throws(PostgresError) -> Int64? {
        try integer(row, column, .int8)
    }
    package func int32(_ row: Int, _ column: Int) throws(PostgresError) -> Int32 {
        try present(int32IfPresent(row, column), row, column)
    }
    package func int32IfPresent(_ row: Int, _ column: Int) throws(PostgresError) -> Int32? {
        try integer(row, column, .int4)
    }
    package func int16(_ row: Int, _ column: Int) throws(PostgresError) -> Int16 {
        try present(int16IfPresent(row, column), row, column)
    }
    package func int16IfPresent(_ row: Int, _ column: Int) throws(PostgresError) -> Int16? {
        try integer(row, column, .int2)
    }
    package func bool(_ row: Int, _ column: Int) throws(PostgresError) -> Bool {
        try present(boolIfPresent(row, column), row, column)
    }
    package func boolIfPresent(_ row: Int, _ column: Int) throws(PostgresError) -> Bool? {
        let value: UInt8? = try integer(row, column, .bool)
        return value.map { $0 != 0 }
    }
    package func double(_ row: Int, _ column: Int) throws(PostgresError) -> Double {
        try present(doubleIfPresent(row, column), row, column)
    }
    package func doubleIfPresent(_ row: Int, _ column: Int) throws(PostgresError) -> Double? {
        let value: UInt64? = try integer(row, column, .float8)
        return value.map(Double.init(bitPattern:))
    }

    /// A `timestamptz` in microseconds since 1970-01-01 00:00 UTC.
    package func timestamp(_ row: Int, _ column: Int) throws(PostgresError) -> Int64 {
        try present(timestampIfPresent(row, column), row, column)
    }
    package func timestampIfPresent(_ row: Int, _ column: Int) throws(PostgresError) -> Int64? {
        let value: Int64? = try integer(row, column, .timestamptz)
        return value.map(Timestamp.unix)
    }

    package func text(_ row: Int, _ column: Int) throws(PostgresError) -> String {
        try present(textIfPresent(row, column), row, column)
    }
    package func textIfPresent(_ row: Int, _ column: Int) throws(PostgresError) -> String? {
        guard let value = try value(row, column, .text, or: .varchar) else { return nil }
        return String(decoding: value, as: UTF8.self)
    }

    package func bytes(_ row: Int, _ column: Int) throws(PostgresError) -> [UInt8] {
        try present(bytesIfPresent(row, column), row, column)
    }
    package func bytesIfPresent(_ row: Int, _ column: Int) throws(PostgresError) -> [UInt8]? {
        try value(row, column, .bytea).map { [UInt8]($0) }
    }

    /// Lends the bytes of a `bytea` without a copy; they are valid only during the call. NULL is `nil`.
    package func withBytes<R>(
        _ row: Int, _ column: Int, _ body: (UnsafeRawBufferPointer?) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        try body(value(row, column, .bytea))
    }

    package func textArray(_ row: Int, _ column: Int) throws(PostgresError) -> [String] {
        try present(textArrayIfPresent(row, column), row, column)
    }
    package func textArrayIfPresent(_ row: Int, _ column: Int) throws(PostgresError) -> [String]? {
        try elements(row, column, .textArray, of: .text) { String(decoding: $0, as: UTF8.self) }
    }
    package func int64Array(_ row: Int, _ column: Int) throws(PostgresError) -> [Int64] {
        let array: [Int64?]? = try elements(row, column, .int8Array, of: .int8) { $0.bigEndianInteger() }
        return try present(array, row, column).map { (value) throws(PostgresError) in try present(value, row, column) }
    }
    package func bytesArray(_ row: Int, _ column: Int) throws(PostgresError) -> [[UInt8]] {
        try present(elements(row, column, .byteaArray, of: .bytea) { [UInt8]($0) }, row, column)
    }

    // MARK: Reading

    private func checkPosition(_ row: Int, _ column: Int) throws(PostgresError) {
        guard row >= 0, row < count, column >= 0, column < columnCount else {
            throw .protocolViolation("no row \(row), column \(column) in a result of \(count) rows and \(columnCount) columns")
        }
    }

    private func name(_ column: Int) -> String { PQfname(result, Int32(column)).map { String(cString: $0) } ?? "\(column)" }

    private func present<Value>(_ value: Value?, _ row: Int, _ column: Int) throws(PostgresError) -> Value {
        guard let value else { throw .protocolViolation("NULL in row \(row), column \"\(name(column))\"") }
        return value
    }

    /// The bytes of one value, owned by `result`; `nil` for NULL.
    private func value(
        _ row: Int, _ column: Int, _ type: OID, or other: OID? = nil
    ) throws(PostgresError) -> UnsafeRawBufferPointer? {
        try checkPosition(row, column)
        let actual = OID(rawValue: PQftype(result, Int32(column)))
        guard actual == type || actual == other, PQfformat(result, Int32(column)) == 1 else {
            throw .protocolViolation("column \"\(name(column))\" has type \(actual.rawValue), not \(type.rawValue)")
        }
        if PQgetisnull(result, Int32(row), Int32(column)) == 1 { return nil }
        return UnsafeRawBufferPointer(
            start: PQgetvalue(result, Int32(row), Int32(column)), count: Int(PQgetlength(result, Int32(row), Int32(column))))
    }

    private func integer<I: FixedWidthInteger>(_ row: Int, _ column: Int, _ type: OID) throws(PostgresError) -> I? {
        guard let value = try value(row, column, type) else { return nil }
        guard let integer: I = value.bigEndianInteger() else {
            throw .protocolViolation("column \"\(name(column))\" has \(value.count) bytes, not \(MemoryLayout<I>.size)")
        }
        return integer
    }

    private func elements<Element>(
        _ row: Int, _ column: Int, _ type: OID, of elementType: OID, _ decode: (UnsafeRawBufferPointer) -> Element
    ) throws(PostgresError) -> [Element]? {
        guard let value = try value(row, column, type) else { return nil }
        var reader = ArrayReader(value)
        guard let elements = reader.elements(of: elementType, decode) else {
            throw .protocolViolation("column \"\(name(column))\" is not a one-dimensional array without NULLs")
        }
        return elements
    }
}

/// Reads what `array_send` writes.
struct ArrayReader {
    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    /// `nil` when the bytes are not a one-dimensional array of `type` without NULLs.
    mutating func elements<Element>(of type: OID, _ decode: (UnsafeRawBufferPointer) -> Element) -> [Element]? {
        guard let dimensions = int32(), int32() != nil, let elementType = int32(),
            UInt32(bitPattern: elementType) == type.rawValue
        else { return nil }
        if dimensions == 0 { return rest.isEmpty ? [] : nil }
        guard dimensions == 1, let count = int32(), int32() != nil, count >= 0, Int(count) <= rest.count / 4 else { return nil }
        var elements: [Element] = []
        elements.reserveCapacity(Int(count))
        for _ in 0..<count {
            guard let length = int32(), length >= 0, let bytes = take(Int(length)) else { return nil }
            elements.append(decode(bytes))
        }
        return rest.isEmpty ? elements : nil
    }

    private mutating func int32() -> Int32? { take(4)?.bigEndianInteger() }

    private mutating func take(_ length: Int) -> UnsafeRawBufferPointer? {
        guard length <= rest.count else { return nil }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[length...]) }
        return UnsafeRawBufferPointer(rebasing: rest[..<length])
    }
}

extension UnsafeRawBufferPointer {
    /// The whole buffer as one integer; `nil` when it has another size.
    func bigEndianInteger<I: FixedWidthInteger>() -> I? {
        guard count == MemoryLayout<I>.size else { return nil }
        return I(bigEndian: loadUnaligned(as: I.self))
    }
}

/// The connection was lost, or is given up; it returns nothing more.
struct ConnectionLost: Error {
    let message: String
    /// Whether operations without an outcome may have been committed.
    var isOutcomeUnknown = true
    /// Another server is the primary: what this one has committed may be lost.
    var isSuperseded = false
}

/// The result of one unit of operations in one round trip.
enum UnitResult {
    /// No result yet.
    case pending
    case committed([ResultRows])
    case failed(PostgresError)
}

/// The results of one round trip of a batch. Units of operations are sent as transactions in one pipeline; results and confirmations come
/// back. A transaction is the statements between two syncs (manual, section 34.5.1.3). Does no I/O: `Session` sends, waits and passes in
/// the results in order.
struct PipelineResults {
    /// A reply that is expected from the server; they come in the order of sending.
    private enum Reply {
        case prepared(statement: String)
        case statement(unit: Int, statement: String)
        /// A setting of the transaction, in front of its statements.
        case setting
        /// A statement that concerns only the session, in a transaction of its own: it may fail.
        case housekeeping
        /// The end of a transaction; its units are `units`.
        case sync(units: Range<Int>)
    }

    private var replies: [Reply] = []
    private var next = 0
    private var pendingNulls = 0
    /// The results of each unit, until its transaction ends.
    private var rows: [[ResultRows]]
    private var failure: PostgresError?
    private var prepareFailures: [String: PostgresError] = [:]
    private(set) var unitResults: [UnitResult]
    /// The warning with which the transaction that ends next was committed.
    private var commitWarning: String?
    /// Statements to prepare again, because preparing failed or the server no longer knows them.
    private(set) var invalidated: [String] = []

    init(units: Int) {
        rows = Array(repeating: [], count: units)
        unitResults = Array(repeating: .pending, count: units)
    }

    /// How far the results have arrived.
    enum Stage {
        /// Every statement has its result; whether the last transaction is committed is not known yet.
        case answered
        case complete
    }

    func hasReached(_ stage: Stage) -> Bool {
        switch stage {
        case .answered: next >= replies.count - 1
        case .complete: isComplete
        }
    }

    var isComplete: Bool { next == replies.count }

    /// Whether every statement has its result, in the last transaction without an error.
    var isAnswered: Bool { hasReached(.answered) && failure == nil && invalidated.isEmpty }

    /// Whether all transactions are committed.
    var isCommitted: Bool {
        unitResults.allSatisfy { if case .committed = $0 { true } else { false } }
    }

    /// The results of a unit that await its commit.
    func answers(of unit: Int) -> [ResultRows] { rows[unit] }

    // MARK: What was sent

    mutating func sentPrepare(_ statement: Statement) {
        replies.append(.prepared(statement: statement.name))
        replies.append(.sync(units: 0..<0))
    }
    mutating func sentStatement(_ statement: Statement, unit: Int) {
        replies.append(.statement(unit: unit, statement: statement.name))
    }
    mutating func sentSetting() { replies.append(.setting) }
    mutating func sentHousekeeping() {
        replies.append(.housekeeping)
        replies.append(.sync(units: 0..<0))
    }
    mutating func sentSync(units: Range<Int>) { replies.append(.sync(units: units)) }

    /// A unit that could not be sent.
    mutating func refuse(_ unit: Int, _ error: PostgresError) { unitResults[unit] = .failed(error) }

    // MARK: What arrived

    /// Takes what `PQgetResult` returned; the caller has checked that it does not block. Each statement has one result and then a null; a
    /// sync has one result and no null.
    mutating func received(_ result: OpaquePointer?) throws(ConnectionLost) {
        guard let result else { return try receivedNull() }
        pendingNulls = 0
        let status = PQresultStatus(result)
        switch (status, isComplete ? nil : replies[next]) {
        case (PGRES_PIPELINE_SYNC, .sync(let units)):
            PQclear(result)
            try finish(units)
            next += 1
        case (PGRES_TUPLES_OK, .statement(let unit, _)), (PGRES_COMMAND_OK, .statement(let unit, _)),
            (PGRES_EMPTY_QUERY, .statement(let unit, _)):
            rows[unit].append(ResultRows(owning: result))
        case (PGRES_COMMAND_OK, .prepared), (PGRES_TUPLES_OK, .setting), (PGRES_COMMAND_OK, .housekeeping), (PGRES_PIPELINE_ABORTED, _):
            PQclear(result)
        case (PGRES_FATAL_ERROR, let reply?):
            defer { PQclear(result) }
            let error = ResultError.read(result)
            switch error {
            case .server(_, let message, _, _) where ResultError.endsSession(result): throw ConnectionLost(message: message)
            case .unavailable(let message, _): throw ConnectionLost(message: message)
            default: failed(error, reply)
            }
        default:
            PQclear(result)
            throw ConnectionLost(message: "libpq answered out of step (status \(status.rawValue))")
        }
    }

    private mutating func receivedNull() throws(ConnectionLost) {
        pendingNulls += 1
        switch isComplete ? nil : replies[next] {
        case .prepared, .statement, .setting, .housekeeping: next += 1
        // A null follows the error of a commit; more than two mean that libpq expects no more results.
        case .sync, nil: if pendingNulls > 2 { throw ConnectionLost(message: "libpq lost track of the pipeline") }
        }
    }

    private mutating func failed(_ error: PostgresError, _ reply: Reply) {
        switch reply {
        case .prepared(let name):
            prepareFailures[name] = error
            invalidated.append(name)
        case .statement(_, let name):
            // The unit fails with the reason why its statement could not be prepared, rather than with "does not exist".
            failure = failure ?? prepareFailures[name] ?? error
            if BatchPlan.isStalePreparation(error), prepareFailures[name] == nil { invalidated.append(name) }
        case .sync, .setting: failure = failure ?? error
        case .housekeeping: break
        }
    }

    /// PostgreSQL warned before it confirmed the transaction that ends next: it is committed here, but perhaps not on the standbys that it
    /// had to wait for.
    mutating func warned(_ message: String) { commitWarning = message }

    /// The transaction ended: committed, unless one of its statements or the commit failed.
    private mutating func finish(_ units: Range<Int>) throws(ConnectionLost) {
        if let commitWarning, !units.isEmpty, failure == nil { throw ConnectionLost(message: commitWarning) }
        for unit in units {
            if let failure {
                unitResults[unit] = .failed(failure)
            } else if case .pending = unitResults[unit] {
                unitResults[unit] = .committed(rows[unit])
            }
            rows[unit] = []
        }
        failure = nil
    }
}
