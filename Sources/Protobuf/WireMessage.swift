public import CProtobufC
public import CWellKnown

/// protobuf-c's description of a message: its names, fields and numbers.
public typealias MessageDescriptor = ProtobufCMessageDescriptor

/// A Swift value that mirrors a protobuf message, and its conversion from and to protobuf-c's struct.
///
/// Decoding copies everything out of the C struct; nothing points into it afterwards. Unknown fields are dropped, unknown enum values kept;
/// if a map has a key twice, the last one counts.
public protocol WireMessage: FieldConvertible, Sendable {
    /// The struct that protobuf-c generated; it begins with a `ProtobufCMessage`.
    associatedtype C
    /// protobuf-c's description of the message.
    static var descriptor: UnsafePointer<MessageDescriptor> { get }
    /// Copies a decoded struct. Throws `WireError.invalidUTF8`.
    init(_ c: C) throws(WireError)
    /// Writes into an initialised struct; what it points at lives in the arena.
    func fill(_ c: UnsafeMutablePointer<C>, _ arena: inout Arena)
    /// Calls `body` with each field in the contract's order, those with their default too. Of a `oneof` with several members only with the
    /// one that is set.
    func visitFields(_ body: (MessageField) -> Void)
}

extension WireMessage {
    public var fieldValue: FieldValue { .message(self) }
}

// Inlinable, like everything generic here, so that it is specialised where the messages are: looking up
// metadata at run time took a fifth of a call.
extension WireMessage {
    /// The message's full name, such as `flowstate.v1.SaveStateRequest`.
    public static var fullName: String { String(cString: descriptor.pointee.name) }

    /// Decodes one message, which all of `bytes` must be.
    ///
    /// - Parameter ceiling: The memory in bytes that decoding may take; nil: `Arena.ceiling(wireBytes:)`.
    @inlinable
    public static func decode(_ bytes: UnsafeRawBufferPointer, ceiling: Int? = nil) throws(WireError) -> Self {
        let ceiling = ceiling ?? Arena.ceiling(wireBytes: bytes.count)
        if bytes.count > Arena.stackBytes / 4 {
            return try decode(bytes, ceiling, Arena(ceiling: ceiling, firstChunk: bytes.count + bytes.count / 8 + 1024))
        }
        return try withUnsafeTemporaryAllocation(
            byteCount: Arena.stackBytes, alignment: Arena.alignment
        ) { memory throws(WireError) in
            try decode(bytes, ceiling, Arena(ceiling: ceiling, in: memory))
        }
    }

    @inlinable
    static func decode(
        _ bytes: UnsafeRawBufferPointer, _ ceiling: Int, _ arena: borrowing Arena
    ) throws(WireError) -> Self {
        let message = protobuf_c_message_unpack(
            descriptor, arena.allocator, bytes.count,
            bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        guard let message else {
            throw arena.isExhausted ? .tooMuchMemory(limit: ceiling) : .malformed
        }
        return try message.withMemoryRebound(to: C.self, capacity: 1) { c throws(WireError) in
            try Self(c.pointee)
        }
    }

    /// Decodes one message, which all of `bytes` must be.
    @inlinable
    public static func decode(_ bytes: [UInt8], ceiling: Int? = nil) throws(WireError) -> Self {
        var result: Result<Self, WireError> = .failure(.malformed)
        bytes.withUnsafeBytes { buffer in
            result = Result { () throws(WireError) in try decode(buffer, ceiling: ceiling) }
        }
        return try result.get()
    }

    /// Builds the C struct once and passes a `Packer`, which has its encoded size and writes it, so that the caller can make room in its
    /// own buffer and have the message written there.
    @inlinable
    public func withPacker<R, E: Error>(_ body: (borrowing Packer) throws(E) -> R) throws(E) -> R {
        try withUnsafeTemporaryAllocation(byteCount: Arena.stackBytes, alignment: Arena.alignment) { memory throws(E) in
            var arena = Arena(ceiling: .max, in: memory)
            let c = arena.make(self)
            return try body(Packer(UnsafeRawPointer(c).assumingMemoryBound(to: ProtobufCMessage.self)))
        }
    }

    /// The encoded message.
    @inlinable
    public func encoded() -> [UInt8] {
        withPacker { packer in
            [UInt8](unsafeUninitializedCapacity: packer.size) { buffer, count in
                packer.pack(into: UnsafeMutableRawBufferPointer(buffer))
                count = packer.size
            }
        }
    }
}

/// An encoding that is ready to be written; valid inside `WireMessage.withPacker` only.
public struct Packer: ~Copyable {
    private let message: UnsafePointer<ProtobufCMessage>
    /// The encoded size in bytes.
    public let size: Int

    @usableFromInline
    init(_ message: UnsafePointer<ProtobufCMessage>) {
        self.message = message
        size = protobuf_c_message_get_packed_size(message)
    }

    /// Writes `size` bytes to the beginning of `buffer`, which must have room for them.
    public func pack(into buffer: UnsafeMutableRawBufferPointer) {
        precondition(buffer.count >= size, "the buffer is smaller than the message")
        protobuf_c_message_pack(message, buffer.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
}

// From protobuf-c's structs to Swift values.

extension ProtobufCBinaryData {
    /// The bytes, copied.
    public var bytes: [UInt8] { [UInt8](UnsafeBufferPointer(start: data, count: data == nil ? 0 : len)) }

    /// The text; a NUL stays in it. Throws `WireError.invalidUTF8` with the field's name.
    public func string(_ field: StaticString) throws(WireError) -> String {
        guard len > 0, let data else { return "" }
        // Half the time of String(validating:as:), which is generic and not specialised in the library.
        guard let text = try? UTF8Span(validating: UnsafeBufferPointer(start: data, count: len).span) else {
            throw .invalidUTF8(field: field.description)
        }
        return String(copying: text)
    }

    /// The texts of a repeated field.
    public static func strings(
        _ list: UnsafeMutablePointer<ProtobufCBinaryData>?, _ count: Int, _ field: StaticString
    ) throws(WireError) -> [String] {
        var result: [String] = []
        result.reserveCapacity(count)
        for element in UnsafeBufferPointer(start: list, count: count) {
            result.append(try element.string(field))
        }
        return result
    }

    /// The bytes of every element of a repeated field.
    public static func byteArrays(_ list: UnsafeMutablePointer<ProtobufCBinaryData>?, _ count: Int) -> [[UInt8]] {
        UnsafeBufferPointer(start: list, count: count).map(\.bytes)
    }
}

extension WireMessage {
    /// A submessage, nil when it is not set.
    @inlinable
    public static func optional(_ c: UnsafeMutablePointer<C>?) throws(WireError) -> Self? {
        guard let c else { return nil }
        return try Self(c.pointee)
    }

    /// A repeated submessage.
    @inlinable
    public static func array(
        _ list: UnsafeMutablePointer<UnsafeMutablePointer<C>?>?, _ count: Int
    ) throws(WireError) -> [Self] {
        var result: [Self] = []
        result.reserveCapacity(count)
        for case let element? in UnsafeBufferPointer(start: list, count: count) {
            result.append(try Self(element.pointee))
        }
        return result
    }
}

// From Swift values to protobuf-c's structs. Everything that a struct points at is copied into the arena:
// a pointer into a Swift array or string is only valid inside a closure, and there would be one closure a
// field. For 2 KB of state the copy takes less time than the arena's own allocation.

extension Arena {
    /// Room for `count` values. It is always there: an arena that encodes has no ceiling.
    @inlinable
    mutating func room<T>(for count: Int, of type: T.Type) -> UnsafeMutablePointer<T> {
        guard let memory = allocate(count * MemoryLayout<T>.stride) else {
            preconditionFailure("an arena that encodes was made with a ceiling")
        }
        return memory.bindMemory(to: type, capacity: count)
    }

    private mutating func copy(_ bytes: UnsafeBufferPointer<UInt8>) -> ProtobufCBinaryData {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return ProtobufCBinaryData() }
        let memory = room(for: bytes.count, of: UInt8.self)
        memory.update(from: source, count: bytes.count)
        return ProtobufCBinaryData(len: bytes.count, data: memory)
    }

    /// A bytes field.
    public mutating func copy(_ bytes: [UInt8]) -> ProtobufCBinaryData {
        bytes.withUnsafeBufferPointer { copy($0) }
    }

    /// A string field.
    public mutating func copy(_ text: String) -> ProtobufCBinaryData {
        guard !text.isEmpty else { return ProtobufCBinaryData() }
        var text = text
        return text.withUTF8 { copy($0) }
    }

    /// A repeated string field; nil for none.
    public mutating func list(_ texts: [String]) -> UnsafeMutablePointer<ProtobufCBinaryData>? {
        guard !texts.isEmpty else { return nil }
        let list = room(for: texts.count, of: ProtobufCBinaryData.self)
        for (index, text) in texts.enumerated() { (list + index).initialize(to: copy(text)) }
        return list
    }

    /// A repeated bytes field; nil for none.
    public mutating func list(_ elements: [[UInt8]]) -> UnsafeMutablePointer<ProtobufCBinaryData>? {
        guard !elements.isEmpty else { return nil }
        let list = room(for: elements.count, of: ProtobufCBinaryData.self)
        for (index, bytes) in elements.enumerated() { (list + index).initialize(to: copy(bytes)) }
        return list
    }

    /// A repeated number or enum field; nil for none.
    @inlinable
    public mutating func list<T: BitwiseCopyable>(scalars: [T]) -> UnsafeMutablePointer<T>? {
        guard !scalars.isEmpty else { return nil }
        let list = room(for: scalars.count, of: T.self)
        for (index, value) in scalars.enumerated() { (list + index).initialize(to: value) }
        return list
    }

    /// A message's struct, filled.
    @inlinable
    public mutating func make<M: WireMessage>(_ message: M) -> UnsafeMutablePointer<M.C> {
        let c = room(for: 1, of: M.C.self)
        protobuf_c_message_init(M.descriptor, c)
        message.fill(c, &self)
        return c
    }

    /// A submessage that may be absent.
    @inlinable
    public mutating func make<M: WireMessage>(optional message: M?) -> UnsafeMutablePointer<M.C>? {
        guard let message else { return nil }
        return make(message)
    }

    /// A repeated submessage; nil for none.
    @inlinable
    public mutating func list<M: WireMessage>(_ messages: [M]) -> UnsafeMutablePointer<UnsafeMutablePointer<M.C>?>? {
        guard !messages.isEmpty else { return nil }
        let list = room(for: messages.count, of: UnsafeMutablePointer<M.C>?.self)
        for (index, message) in messages.enumerated() { (list + index).initialize(to: make(message)) }
        return list
    }
}

/// Why bytes could not be decoded. Nothing of the message is kept.
public enum WireError: Error, Equatable, Sendable {
    /// The bytes are not a message of the type asked for: truncated, a bad tag, a wrong length.
    case malformed
    /// A string field is not valid UTF-8; `field` is its name in the proto file.
    case invalidUTF8(field: String)
    /// A `google.protobuf.Duration` is not a length of time: its parts have different signs, or are out of range.
    case invalidDuration(field: String)
    /// Decoding would take more memory than `limit` bytes. The bytes may be a valid message.
    case tooMuchMemory(limit: Int)
}

/// The contents of a `map<string, string>`. Keys are compared by their bytes, as in protobuf and PostgreSQL: a Swift dictionary would take
/// "é" composed and decomposed for the same key, and drop one.
public struct StringMap: Sendable, Equatable, ExpressibleByDictionaryLiteral, RandomAccessCollection {
    public struct Element: Sendable, Equatable {
        public var key: String
        public var value: String

        public init(key: String, value: String) {
            self.key = key
            self.value = value
        }

        public static func == (left: Element, right: Element) -> Bool {
            left.key.utf8.elementsEqual(right.key.utf8) && left.value.utf8.elementsEqual(right.value.utf8)
        }
    }

    /// Sorted by the keys' bytes, so that equal maps have equal encodings.
    private let elements: [Element]

    /// If a key occurs twice the last one counts, as the protobuf specification says.
    public init(_ elements: some Sequence<Element>) { self.init(Array(elements)) }

    /// If a key occurs twice the last one counts.
    public init(_ elements: [Element]) {
        // Usually they are in order: as a message had them, or as labels are kept.
        if zip(elements, elements.dropFirst()).allSatisfy({ Self.precedes($0.key, $1.key) }) {
            self.elements = elements
            return
        }
        let indexed = elements.enumerated().sorted { left, right in
            Self.precedes(left.element.key, right.element.key)
                || (!Self.precedes(right.element.key, left.element.key) && left.offset < right.offset)
        }
        var unique: [Element] = []
        for (_, element) in indexed {
            if let last = unique.last, last.key.utf8.elementsEqual(element.key.utf8) { unique.removeLast() }
            unique.append(element)
        }
        self.elements = unique
    }

    public init(_ dictionary: [String: String]) {
        self.init(dictionary.map { Element(key: $0.key, value: $0.value) })
    }

    public init(dictionaryLiteral pairs: (String, String)...) {
        self.init(pairs.map { Element(key: $0.0, value: $0.1) })
    }

    public var startIndex: Int { elements.startIndex }
    public var endIndex: Int { elements.endIndex }
    public subscript(position: Int) -> Element { elements[position] }

    public static let empty = StringMap([Element]())

    /// The value of a key.
    public subscript(key: String) -> String? {
        elements.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    private static func precedes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}

extension MapEntry {
    public static func map(
        _ list: UnsafeMutablePointer<UnsafeMutablePointer<Google__Protobuf__MapEntry>?>?, _ count: Int
    ) throws(WireError) -> StringMap {
        guard count > 0 else { return .empty }
        var elements: [StringMap.Element] = []
        for case let element? in UnsafeBufferPointer(start: list, count: count) {
            let entry = try Self(element.pointee)
            elements.append(StringMap.Element(key: entry.key, value: entry.value))
        }
        return StringMap(elements)
    }

    public static func entries(_ map: StringMap) -> [Self] {
        map.map { Self(key: $0.key, value: $0.value) }
    }
}
