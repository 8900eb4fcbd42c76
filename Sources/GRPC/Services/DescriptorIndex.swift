import CGRPCProto
import Protobuf

/// Finds proto files by name and by the symbols they declare, in serialised `FileDescriptorSet`s
/// (google/protobuf/descriptor.proto) that the server was built with.
struct DescriptorIndex: Sendable {
    struct File: Sendable {
        var name = ""
        var package = ""
        var dependencies: [String] = []
        var symbols: [String] = []
        var bytes: [UInt8] = []
    }

    private var files: [String: File] = [:]
    private var symbols: [String: String] = [:]

    init(_ sets: [UnsafeRawBufferPointer]) {
        for set in sets {
            for (number, value) in ProtobufFields(set) where number == 1 { add(File(descriptor: value)) }
        }
    }

    private mutating func add(_ file: File) {
        files[file.name] = file
        for symbol in file.symbols { symbols[symbol] = file.name }
    }

    /// The file and all that it imports, itself first; nil where there is no such file.
    func closure(fileName: String) -> [[UInt8]]? {
        guard let first = files[fileName] else { return nil }
        var seen: Set<String> = [fileName]
        var queue = [first]
        var result: [[UInt8]] = []
        while let file = queue.popLast() {
            result.append(file.bytes)
            for name in file.dependencies where seen.insert(name).inserted {
                if let dependency = files[name] { queue.append(dependency) }
            }
        }
        return result
    }

    func fileName(symbol: String) -> String? { symbols[symbol] }
}

extension DescriptorIndex.File {
    /// Field numbers of FileDescriptorProto: name 1, package 2, dependency 3, message_type 4, enum_type 5,
    /// service 6.
    init(descriptor: UnsafeRawBufferPointer) {
        bytes = Array(descriptor)
        var declarations: [(number: Int, UnsafeRawBufferPointer)] = []
        for (number, value) in ProtobufFields(descriptor) {
            switch number {
            case 1: name = String(decoding: value, as: UTF8.self)
            case 2: package = String(decoding: value, as: UTF8.self)
            case 3: dependencies.append(String(decoding: value, as: UTF8.self))
            case 4, 5, 6: declarations.append((number, value))
            default: break
            }
        }
        let scope = package.isEmpty ? "" : package + "."
        for (number, value) in declarations {
            switch number {
            case 4: addMessage(value, scope)
            case 5: symbols.append(scope + Self.name(value))
            default: addService(value, scope)
            }
        }
    }

    /// DescriptorProto: name 1, nested_type 3, enum_type 4.
    private mutating func addMessage(_ descriptor: UnsafeRawBufferPointer, _ scope: String) {
        let name = scope + Self.name(descriptor)
        symbols.append(name)
        for (number, value) in ProtobufFields(descriptor) {
            if number == 3 { addMessage(value, name + ".") }
            if number == 4 { symbols.append(name + "." + Self.name(value)) }
        }
    }

    /// ServiceDescriptorProto: name 1, method 2.
    private mutating func addService(_ descriptor: UnsafeRawBufferPointer, _ scope: String) {
        let name = scope + Self.name(descriptor)
        symbols.append(name)
        for (number, value) in ProtobufFields(descriptor) where number == 2 {
            symbols.append(name + "." + Self.name(value))
        }
    }

    private static func name(_ descriptor: UnsafeRawBufferPointer) -> String {
        for (number, value) in ProtobufFields(descriptor) where number == 1 { return String(decoding: value, as: UTF8.self) }
        return ""
    }
}

/// The length-delimited fields of a message, in order; others are skipped. protobuf-c has no struct for
/// descriptor.proto, whose messages are recursive; these few fields of trusted bytes need none.
private struct ProtobufFields: Sequence, IteratorProtocol {
    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    mutating func next() -> (number: Int, value: UnsafeRawBufferPointer)? {
        while let tag = varint() {
            switch tag & 7 {
            case 0: _ = varint()
            case 1: skip(8)
            case 5: skip(4)
            case 2:
                guard let length = varint(), length <= rest.count else { return nil }
                let value = UnsafeRawBufferPointer(rebasing: rest.prefix(length))
                skip(length)
                return (tag >> 3, value)
            default: return nil
            }
        }
        return nil
    }

    private mutating func skip(_ count: Int) { rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count)) }

    private mutating func varint() -> Int? {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) {
            guard let byte = rest.first else { return nil }
            skip(1)
            value |= UInt64(byte & 0x7F) << UInt64(shift)
            if byte < 0x80 { return Int(exactly: value) }
        }
        return nil
    }
}
