import GRPC
import Logging
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Serves `grpc.testing.TestService` on a free port of 127.0.0.1, which it writes to its output, until it is killed.
@main
struct InteropServer {
    static func main() async throws {
        let server = Server(
            router: Router(TestService.routes), group: MultiThreadedEventLoopGroup(numberOfThreads: 1), logger: Logger(label: "interop"))
        guard let address = try await server.listen(host: "127.0.0.1", port: 0), let port = address.port else { return }
        print("serving on 127.0.0.1:\(port)")
        // The output is a pipe of whoever started it.
        fflush(nil)
        while true { try await Task.sleep(for: .seconds(3_600)) }
    }
}
