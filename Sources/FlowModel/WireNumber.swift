/// Numbers in requests: versions, revisions, tokens, counts. They are bounded once, where they arrive, so that computing with them cannot
/// overflow an `Int64`.
package enum WireNumber {
    /// Far beyond every number that a flow can reach, and far enough from the end that sums of two stay within.
    package static let maximum: Int64 = 1 << 62

    /// - Parameter hint: what to use instead of a number that is too small.
    /// - Throws: `StateError.invalidArgument` that names the field and the bound.
    package static func check(
        _ number: Int64, field: String, from minimum: Int64 = 0, hint: @autoclosure () -> String = "it must not be negative"
    ) throws(StateError) {
        if number < minimum { throw .invalidArgument(field: field, message: "is \(number); \(hint())") }
        if number > maximum { throw .invalidArgument(field: field, message: "is \(number), the limit is \(maximum)") }
    }
}

extension Int64 {
    /// The nearest whole number within ±2^62; 0 for NaN.
    init(clamping value: Double) {
        self = value.isNaN ? 0 : Int64(exactly: Swift.min(Swift.max(value.rounded(), -0x1p62), 0x1p62)) ?? 0
    }
}
