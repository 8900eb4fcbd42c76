import CJSON

/// JSON as bytes. The bytes are checked, never changed: what was saved comes back byte for byte.
package enum JSONText {
    /// Why and where bytes are not a JSON text by RFC 8259.
    package struct Fault: Sendable, Equatable {
        package var message: String
        /// Bytes from the start.
        package var offset: Int
        /// From 1.
        package var line: Int
        /// From 1, in characters (code points).
        package var column: Int
        /// The text is JSON so far, only nested deeper than allowed.
        package var isTooDeep: Bool

        /// - Parameter bytes: the text. The message names a byte order mark: RFC 8259 §8.1 forbids it, and editors do not show it.
        init(_ error: cjson_error, in bytes: UnsafeRawBufferPointer) {
            let hasMark = error.offset == 0 && bytes.starts(with: [0xEF, 0xBB, 0xBF])
            message = hasMark ? "begins with a byte order mark (U+FEFF); remove it" : String(cString: error.message)
            (offset, line, column) = (error.offset, error.line, error.column)
            isTooDeep = error.code == CJSON_TOO_DEEP
        }
    }

    /// Checks against RFC 8259's grammar; see `cjson_validate` for what that includes. Does not allocate for texts
    /// nested less than 100 deep.
    ///
    /// - Returns: nil for JSON.
    package static func fault(in bytes: UnsafeRawBufferPointer, maximumDepth: Int) -> Fault? {
        var error = cjson_error()
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        if cjson_validate(start, bytes.count, max(0, maximumDepth), &error) == 1 { return nil }
        return Fault(error, in: bytes)
    }

    package static func fault(in bytes: [UInt8], maximumDepth: Int) -> Fault? {
        bytes.withUnsafeBytes { fault(in: $0, maximumDepth: maximumDepth) }
    }
}

extension JSONText.Fault: CustomStringConvertible {
    /// "line 3, column 14 (byte 52): expected ',' or '}'"
    package var description: String { "line \(line), column \(column) (byte \(offset)): \(message)" }
}
