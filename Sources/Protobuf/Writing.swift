public import CProtobufC

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
