import GRPC
import Glibc
import NIOCore

/// A connected, non-blocking socket, without the allocations and hops of a channel in a pipeline.
final class Socket: Sendable {
    let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// - Throws: `BenchError.cannotConnect`.
    static func connect(to endpoint: Endpoint) throws -> Socket {
        switch endpoint {
        case .unixSocket(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let room = MemoryLayout.size(ofValue: address.sun_path)
            guard path.utf8.count < room else { throw BenchError.cannotConnect(endpoint, "the path is too long") }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            return try withUnsafeBytes(of: &address) { bytes in
                let start = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
                return try connect(endpoint, AF_UNIX, start, socklen_t(bytes.count))
            }
        case .tcp(let host, let port):
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            var list: UnsafeMutablePointer<addrinfo>?
            let result = getaddrinfo(host, "\(port)", &hints, &list)
            defer { if let list { freeaddrinfo(list) } }
            guard result == 0 else { throw BenchError.cannotConnect(endpoint, String(cString: gai_strerror(result))) }
            var next = list
            var failure: (any Error)?
            while let address = next?.pointee {
                do {
                    return try connect(endpoint, address.ai_family, address.ai_addr, address.ai_addrlen)
                } catch {
                    failure = failure ?? error
                    next = address.ai_next
                }
            }
            throw failure ?? BenchError.cannotConnect(endpoint, "the host has no address")
        }
    }

    private static func connect(
        _ endpoint: Endpoint, _ family: Int32, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
    ) throws -> Socket {
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw BenchError.cannotConnect(endpoint, String(cString: strerror(errno))) }
        let made = Socket(descriptor: descriptor)
        guard descriptor < Poller.limit else { throw BenchError.cannotConnect(endpoint, "too many files are open") }
        guard Glibc.connect(descriptor, address, length) == 0 else {
            throw BenchError.cannotConnect(endpoint, String(cString: strerror(errno)))
        }
        if family != AF_UNIX {
            var on: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        guard fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else {
            throw BenchError.cannotConnect(endpoint, String(cString: strerror(errno)))
        }
        return made
    }

    enum Outcome: Equatable { case done(Int), wouldBlock, closed }

    /// Appends what has arrived, up to `limit` bytes.
    func read(into buffer: inout ByteBuffer, limit: Int) -> Outcome {
        var result = 0
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: limit) { room in
            repeat { result = Glibc.read(descriptor, room.baseAddress, min(room.count, limit)) } while result < 0 && errno == EINTR
            return max(result, 0)
        }
        if result > 0 { return .done(result) }
        return result < 0 && errno == EAGAIN ? .wouldBlock : .closed
    }

    /// Sends from the beginning of `buffer`, as much as the socket accepts.
    func write(from buffer: inout ByteBuffer) -> Outcome {
        var result = 0
        buffer.readWithUnsafeReadableBytes { bytes in
            // A server that has closed the connection must not end this program with SIGPIPE.
            let flags = Int32(MSG_NOSIGNAL)
            repeat { result = send(descriptor, bytes.baseAddress, bytes.count, flags) } while result < 0 && errno == EINTR
            return max(result, 0)
        }
        if result >= 0 { return .done(result) }
        return errno == EAGAIN ? .wouldBlock : .closed
    }
}
