import CGRPCProto
import NIOCore
import Protobuf

/// `grpc.reflection.v1.ServerReflection` and its older twin `v1alpha`, whose messages are the same on the
/// wire: lets tools such as grpcurl call the server without its proto files.
package struct ReflectionService: Sendable {
    private let index: DescriptorIndex
    private let services: [String]
    /// Memory that decoding a request, which is a name, may take.
    private static let ceiling = 64 << 10

    /// - Parameters:
    ///   - services: full names to list, besides reflection's own and health.
    ///   - fileDescriptorSets: serialised `FileDescriptorSet`s with every file that those need; in static memory.
    package init(services: [String], fileDescriptorSets: [UnsafeRawBufferPointer]) {
        let own = UnsafeRawBufferPointer(start: grpc_file_descriptor_set(), count: grpc_file_descriptor_set_length())
        index = DescriptorIndex(fileDescriptorSets + [own])
        self.services = (services + Self.names + ["grpc.health.v1.Health"]).sorted()
    }

    private static let names = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]

    package var routes: [Route] {
        Self.names.map { name in
            Route(
                service: name, method: "ServerReflectionInfo",
                .streaming(.bidirectional) { requests, call in
                    call.stopAtShutdown()
                    for try await message in requests {
                        try await call.send(FramedMessage(encoding: try self.answer(message)))
                    }
                })
        }
    }

    private func answer(_ message: ByteBuffer) throws -> ServerReflectionResponse {
        let request: ServerReflectionRequest
        do {
            request = try ServerReflectionRequest.decode(message, ceiling: Self.ceiling)
        } catch {
            throw Status(error, type: ServerReflectionRequest.fullName)
        }
        return ServerReflectionResponse(
            validHost: request.host, originalRequest: request, messageResponse: response(to: request.messageRequest))
    }

    private func response(
        to request: ServerReflectionRequest.MessageRequest?
    ) -> ServerReflectionResponse.MessageResponse {
        switch request {
        case .listServices:
            return .listServicesResponse(ListServiceResponse(service: services.map { ServiceResponse(name: $0) }))
        case .fileByFilename(let name):
            return files(name) ?? Self.error(.notFound, "no file \(name)")
        case .fileContainingSymbol(let symbol):
            return index.fileName(symbol: symbol).flatMap(files) ?? Self.error(.notFound, "no symbol \(symbol)")
        case .fileContainingExtension, .allExtensionNumbersOfType:
            return Self.error(.notFound, "this server's proto files have no extensions")
        case nil:
            return Self.error(.invalidArgument, "the request asks for nothing")
        }
    }

    private func files(_ name: String) -> ServerReflectionResponse.MessageResponse? {
        index.closure(fileName: name).map { .fileDescriptorResponse(FileDescriptorResponse(fileDescriptorProto: $0)) }
    }

    private static func error(_ code: StatusCode, _ message: String) -> ServerReflectionResponse.MessageResponse {
        .errorResponse(ErrorResponse(errorCode: Int32(code.rawValue), errorMessage: message))
    }
}
