import Logging
import NIOCore
import NIOPosix
import Testing

@testable import GRPC

/// `grpc.health.v1.Health/List`, at its limit and above it.
@Suite struct HealthListTests {
    @Test func everyServiceIsListedUpToAHundred() async throws {
        let health = HealthService()
        for number in 0..<100 { health.set("service \(number)", isServing: number % 2 == 0) }
        let server = Server(router: Router(health.routes), group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"))
        let address = try #require(try await server.listen(host: "127.0.0.1", port: 0))
        let client = Client(endpoint: .tcp(host: "127.0.0.1", port: address.port ?? 0))
        let request = FramedMessage(encoding: HealthListRequest())
        let reply = try HealthListResponse.decode(try await client.unary("/grpc.health.v1.Health/List", request), ceiling: 1 << 20)
        #expect(reply.statuses.count == 100)
        for entry in reply.statuses {
            let isEven = (Int(entry.key.dropFirst("service ".count)) ?? 1) % 2 == 0
            #expect(entry.value?.status == (isEven ? .serving : .notServing))
        }
        health.set("one more", isServing: true)
        await #expect {
            try await client.unary("/grpc.health.v1.Health/List", request)
        } throws: {
            ($0 as? Status)?.code == .resourceExhausted && ($0 as? Status)?.message.contains("101 services") == true
        }
        await client.close()
        await server.shutdown(grace: .seconds(5))
    }
}
