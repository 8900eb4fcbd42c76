import Compression

/// The compressions that messages may have, by the names of `grpc-encoding` (doc/compression.md, PROTOCOL-HTTP2.md, Message-Encoding).
public enum MessageCompression: String, Sendable, CaseIterable {
    /// RFC 1952; every gRPC server and client has it.
    case gzip
    /// RFC 1950.
    case deflate
    /// RFC 8878; few others have it.
    case zstd

    /// What `grpc-accept-encoding` says of this library, in either direction.
    static let accepted = (["identity"] + allCases.map(\.rawValue)).joined(separator: ",")
    /// A smaller message stays as it is: it fits into a packet or two either way, and gzip alone adds 18 bytes.
    static let leastBytes = 1 << 10

    var coding: Coding {
        switch self {
        case .gzip: .gzip
        case .deflate: .deflate
        case .zstd: .zstd
        }
    }

    /// In a byte, which is not 0.
    var code: UInt8 {
        switch self {
        case .gzip: 1
        case .deflate: 2
        case .zstd: 3
        }
    }

    init?(code: UInt8) {
        guard let known = Self.allCases.first(where: { $0.code == code }) else { return nil }
        self = known
    }

    /// Whether a `grpc-accept-encoding` lists it. Without the field a peer takes uncompressed messages only.
    func isAccepted(by list: String?) -> Bool {
        guard let list else { return false }
        return list.utf8.split(separator: UInt8(ascii: ",")).contains { entry in
            entry.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != UInt8(ascii: " ") }.elementsEqual(rawValue.utf8)
        }
    }

    /// What a server chooses of a client's list: zstd takes less time than the others, and makes messages smaller.
    static func preferred(of list: String?) -> MessageCompression? { [.zstd, .gzip, .deflate].first { $0.isAccepted(by: list) } }
}

/// What the `grpc-encoding` of a call says about its messages that are flagged as compressed.
enum MessageEncoding: Equatable {
    /// There is none, or it is `identity`.
    case none
    case known(MessageCompression)
    /// One that this library does not have.
    case unknown(String)

    /// - Parameter name: the value of `grpc-encoding`.
    init(_ name: String?) {
        switch name {
        case nil, "identity"?: self = .none
        case let name?: self = MessageCompression(rawValue: name).map { .known($0) } ?? .unknown(name)
        }
    }

    var compression: MessageCompression? { if case .known(let compression) = self { compression } else { nil } }
}
