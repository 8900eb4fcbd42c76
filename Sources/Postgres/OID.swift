/// The object identifier of a PostgreSQL type. The built-in ones are fixed for ever (`src/include/catalog/pg_type.dat`).
package struct OID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let bool = OID(rawValue: 16)
    package static let bytea = OID(rawValue: 17)
    package static let int8 = OID(rawValue: 20)
    package static let int2 = OID(rawValue: 21)
    package static let int4 = OID(rawValue: 23)
    package static let text = OID(rawValue: 25)
    package static let oid = OID(rawValue: 26)
    package static let json = OID(rawValue: 114)
    package static let float8 = OID(rawValue: 701)
    package static let varchar = OID(rawValue: 1043)
    package static let timestamptz = OID(rawValue: 1184)
    package static let uuid = OID(rawValue: 2950)
    package static let void = OID(rawValue: 2278)
    package static let xid8 = OID(rawValue: 5069)

    package static let byteaArray = OID(rawValue: 1001)
    package static let int2Array = OID(rawValue: 1005)
    package static let int4Array = OID(rawValue: 1007)
    package static let textArray = OID(rawValue: 1009)
    package static let int8Array = OID(rawValue: 1016)
    package static let float8Array = OID(rawValue: 1022)
}
