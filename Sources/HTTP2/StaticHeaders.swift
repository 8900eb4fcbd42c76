import CNGHTTP2

/// A header or trailer section that many answers or requests share, laid out once so that nghttp2 reads it in place instead of copying it.
/// For constants of the program, in a `static let`: it is never freed.
///
/// `@unchecked Sendable`: the memory is written before the value is shared and does not change.
package struct StaticHeaders: @unchecked Sendable {
    /// "NGHTTP2_NV_FLAG_NO_COPY_NAME … the application must keep the reference to name"; the same for values.
    let pairs: UnsafeBufferPointer<nghttp2_nv>

    package init(_ fields: [HeaderField]) {
        let pairs = UnsafeMutableBufferPointer<nghttp2_nv>.allocate(capacity: fields.count)
        let flags = UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
        for (index, field) in fields.enumerated() {
            let (name, value) = (Self.copy(field.name), Self.copy(field.value))
            pairs.initializeElement(
                at: index,
                to: nghttp2_nv(
                    name: name.baseAddress, value: value.baseAddress, namelen: name.count, valuelen: value.count, flags: flags))
        }
        self.pairs = UnsafeBufferPointer(pairs)
    }

    private static func copy(_ text: String) -> UnsafeMutableBufferPointer<UInt8> {
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count)
        _ = copy.initialize(from: text.utf8)
        return copy
    }
}
