import Foundation
import TestSupport
import Testing

@testable import Postgres

/// Every type there and back through PostgreSQL, in the binary format.
@Suite struct ValueTests {
    /// All values of one round, each possibly NULL.
    struct Values: Sendable, Equatable {
        var int8: Int64?
        var int4: Int32?
        var int2: Int16?
        var bool: Bool?
        var double: Double?
        var text: String?
        var bytes: [UInt8]?
        var timestamp: Int64?
        var texts: [String]?

        static func random(using generator: inout SeededGenerator) -> Values {
            func maybe<T>(_ value: T) -> T? { Int.random(in: 0..<5, using: &generator) == 0 ? nil : value }
            func text() -> String {
                let scalars = (0..<Int.random(in: 0..<40, using: &generator)).compactMap { _ in
                    Unicode.Scalar(UInt32.random(in: 1...0x10FFFF, using: &generator))
                }
                return String(String.UnicodeScalarView(scalars))
            }
            var values = Values()
            values.int8 = maybe(Int64.random(in: .min ... .max, using: &generator))
            values.int4 = maybe(Int32.random(in: .min ... .max, using: &generator))
            values.int2 = maybe(Int16.random(in: .min ... .max, using: &generator))
            values.bool = maybe(Bool.random(using: &generator))
            let bits = Double(bitPattern: generator.next())
            values.double = maybe(bits.isNaN ? 0 : bits)
            values.text = maybe(text())
            let length = Int.random(in: 0..<2000, using: &generator)
            values.bytes = maybe((0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) })
            // What timestamptz can hold: 4713 BC to 294276 AD.
            values.timestamp = maybe(Int64.random(in: -210_000_000_000_000_000...9_000_000_000_000_000_000, using: &generator))
            values.texts = maybe((0..<Int.random(in: 0..<6, using: &generator)).map { _ in text() })
            return values
        }
    }

    static func echo(_ values: Values) -> SQL<Values> {
        SQL(
            "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9",
            [.int8, .int4, .int2, .bool, .float8, .text, .bytea, .timestamptz, .textArray]
        ) { parameters in
            parameters.append(values.int8)
            parameters.append(values.int4)
            parameters.append(values.int2)
            parameters.append(values.bool)
            parameters.append(values.double)
            parameters.append(values.text)
            parameters.append(bytes: values.bytes)
            parameters.append(timestamp: values.timestamp)
            if let texts = values.texts { parameters.append(texts: texts.count) { texts[$0] } } else { parameters.appendNull() }
        } read: { (rows) throws(PostgresError) in
            Values(
                int8: try rows.int64IfPresent(0, 0), int4: try rows.int32IfPresent(0, 1), int2: try rows.int16IfPresent(0, 2),
                bool: try rows.boolIfPresent(0, 3), double: try rows.doubleIfPresent(0, 4), text: try rows.textIfPresent(0, 5),
                bytes: try rows.bytesIfPresent(0, 6), timestamp: try rows.timestampIfPresent(0, 7),
                texts: try rows.textArrayIfPresent(0, 8))
        }
    }

    @Test func comeBackAsTheyWere() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        let all = (0..<300).map { _ in Values.random(using: &generator) }
        try await TestCluster.withDatabase { database in
            for values in all {
                let back = try await database.reader.run(Self.echo(values))
                #expect(back == values, "seed \(seed)")
            }
        }
    }

    @Test func arraysComeBackAsTheyWere() async throws {
        try await TestCluster.withDatabase { database in
            let types: [OID] = [.int8Array, .byteaArray, .textArray, .int4Array, .int2Array, .float8Array]
            let operation = SQL(
                """
                SELECT $1, $2, $3, $4::text, $5::text, $6::text, array_position($1, NULL)::int8
                """, types
            ) { parameters in
                parameters.append(bigints: 3) { ([1, -2, .max] as [Int64?])[$0] }
                parameters.append(byteStrings: 3) { ([[], [0, 255], Array(repeating: 7, count: 70_000)] as [[UInt8]?])[$0] }
                parameters.append(texts: 0) { ([] as [String?])[$0] }
                parameters.append(integers: 2) { ([1, -2] as [Int32?])[$0] }
                parameters.append(smallints: 1) { ([3] as [Int16?])[$0] }
                parameters.append(doubles: 1) { ([1.5] as [Double?])[$0] }
            } read: { (rows) throws(PostgresError) in
                let (numbers, bytes, texts) = (try rows.int64Array(0, 0), try rows.bytesArray(0, 1), try rows.textArray(0, 2))
                #expect(numbers == [1, -2, .max])
                #expect(bytes == [[], [0, 255], Array(repeating: 7, count: 70_000)])
                #expect(texts == [])
                let shown = [try rows.text(0, 3), try rows.text(0, 4), try rows.text(0, 5)]
                #expect(shown == ["{1,-2}", "{3}", "{1.5}"])
                return try rows.isNull(0, 6)
            }
            let isAsSent = try await database.reader.run(operation)
            #expect(isAsSent)
        }
    }

    @Test func nullElementsArrive() async throws {
        try await TestCluster.withDatabase { database in
            let operation = SQL("SELECT $1::text, $2::text, $3::text, $4::text", [.int8Array, .textArray, .byteaArray, .float8Array]) {
                $0.append(bigints: 2) { ([1, nil] as [Int64?])[$0] }
                $0.append(texts: 2) { (["a", nil] as [String?])[$0] }
                $0.append(byteStrings: 2) { ([nil, [1]] as [[UInt8]?])[$0] }
                $0.append(doubles: 1) { ([nil] as [Double?])[$0] }
            } read: { (rows) throws(PostgresError) in
                [try rows.text(0, 0), try rows.text(0, 1), try rows.text(0, 2), try rows.text(0, 3)]
            }
            let texts = try await database.reader.run(operation)
            #expect(texts == ["{1,NULL}", "{a,NULL}", "{NULL,\"\\\\x01\"}", "{NULL}"])
        }
    }

    /// Reads that do not fit the row of `mismatchesAreErrors`.
    enum Misread: CaseIterable, Sendable {
        case otherType, rowBeyond, rowBelow, columnBeyond, null, nullInArray, nestedArray

        func callAsFunction(_ rows: ResultRows) throws(PostgresError) {
            switch self {
            case .otherType: _ = try rows.int64(0, 1)
            case .rowBeyond: _ = try rows.int64(1, 0)
            case .rowBelow: _ = try rows.int64(-1, 0)
            case .columnBeyond: _ = try rows.int64(0, 9)
            case .null: _ = try rows.int64(0, 2)
            case .nullInArray: _ = try rows.textArray(0, 3)
            case .nestedArray: _ = try rows.textArray(0, 4)
            }
        }
    }

    /// A mismatch of any kind is an error of that operation; nothing traps.
    @Test(arguments: Misread.allCases) func mismatchesAreErrors(_ misread: Misread) async throws {
        try await TestCluster.withDatabase { database in
            let operation = SQL("SELECT 1::int8, 'x'::text, NULL::int8, ARRAY[NULL]::text[], '{{a},{b}}'::text[]") {
                (rows) throws(PostgresError) in try misread(rows)
            }
            let error = await failure { try await database.reader.run(operation) }
            guard case .protocolViolation = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test func brokenArraysAreRefusedWithoutReadingPastThem() {
        var generator = SeededGenerator(seed: 3)
        var parameters = Parameters()
        parameters.append(texts: 2) { (["a", "bc"] as [String?])[$0] }
        for _ in 0..<20_000 {
            var bytes = parameters.bytes
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
            bytes.withUnsafeBytes { buffer in
                var reader = ArrayReader(buffer)
                let elements = reader.elements(of: .text) { $0.count }
                #expect((elements ?? []).reduce(0, +) <= buffer.count)
            }
        }
    }
}

/// The error of an operation; `nil` when it succeeded.
func failure<T>(_ body: () async throws -> T) async -> PostgresError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? PostgresError ?? .protocolViolation("\(error)")
    }
}
