import GRPC
import Protobuf

/// The room for an error's detail within `Status.maxDetailsBytes`, which the whole status must fit into: each text has a bound, and of a
/// list as many elements are sent as fit. So no detail is ever left out as a whole.
///
/// The bounds leave room for one element of any list beside the longest message, the names in `ErrorInfo` and a `RetryInfo`.
struct DetailRoom {
    /// A name as it is sent: the longest that the default limits allow, or the beginning of a longer one.
    static func name(_ name: String) -> String { name.shortened(toBytes: 255) }

    /// A free text, or a path, as it is sent.
    static func text(_ text: String) -> String { text.shortened(toBytes: 400) }

    /// `google.protobuf.Any`: the longest type URL (70 bytes), the tags and lengths of its fields and of itself, and `omitted`.
    private static let wrapperBytes = 96
    /// A tag, and a length in two bytes.
    private static let elementBytes = 3

    private var bytes: Int

    /// - Parameter status: the status without the detail.
    init(beside status: RPCStatus) { bytes = Status.maxDetailsBytes - status.encoded().count - Self.wrapperBytes }

    /// Takes the room of the detail's other fields than its list.
    mutating func take(_ detail: some WireMessage) { bytes -= detail.encoded().count }

    /// The first elements of a detail's list, as many as fit, and how many are left out.
    mutating func list<Element, Message: WireMessage>(
        _ elements: [Element], _ message: (Element) -> Message
    ) -> (kept: [Message], omitted: Int32) {
        fill(elements.count) {
            message(elements[$0])
        } size: {
            $0.encoded().count
        }
    }

    /// The same for a list of names.
    mutating func list(_ names: [String]) -> (kept: [String], omitted: Int32) {
        fill(names.count) {
            Self.name(names[$0])
        } size: {
            $0.utf8.count
        }
    }

    private mutating func fill<Element>(
        _ count: Int, _ element: (Int) -> Element, size: (Element) -> Int
    ) -> (kept: [Element], omitted: Int32) {
        var kept: [Element] = []
        while kept.count < count {
            let next = element(kept.count)
            let taken = size(next) + Self.elementBytes
            guard taken <= bytes else { break }
            bytes -= taken
            kept.append(next)
        }
        return (kept, Int32(clamping: count - kept.count))
    }
}
