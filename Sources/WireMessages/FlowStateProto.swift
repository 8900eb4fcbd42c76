import CFlowStateProto
public import Protobuf

/// A point in time, in the messages of the contract.
public typealias Timestamp = Protobuf.Timestamp

/// What the package `flowstate.v1` declares, for the route table and for server reflection.
public enum FlowStateProto {
    /// The serialized `google.protobuf.FileDescriptorSet` of the package's files and all that they import;
    /// constant memory that is valid for ever.
    public static var fileDescriptorSet: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: flowstate_v1_file_descriptor_set(), count: flowstate_v1_file_descriptor_set_length())
    }
}

/// A service as its proto file declares it.
public struct ServiceDescriptor: Hashable, Sendable {
    /// The full name, such as `flowstate.v1.FlowStateService`.
    public let name: String
    /// In the order of the file.
    public let methods: [MethodDescriptor]
}

/// A method as its proto file declares it.
public struct MethodDescriptor: Hashable, Sendable {
    /// The name without its service, such as `SaveState`.
    public let name: String
    /// The full name of its service, such as `flowstate.v1.FlowStateService`.
    public let service: String
    /// Whether the client sends a stream of messages.
    public let clientStreaming: Bool
    /// Whether the server answers a stream of messages.
    public let serverStreaming: Bool
    /// Whether it changes nothing (`idempotency_level`).
    public let isReadOnly: Bool

    init(
        _ name: String, of service: String, clientStreaming: Bool = false, serverStreaming: Bool = false, isReadOnly: Bool = false
    ) {
        self.name = name
        self.service = service
        self.clientStreaming = clientStreaming
        self.serverStreaming = serverStreaming
        self.isReadOnly = isReadOnly
    }

    /// Such as `flowstate.v1.FlowStateService/SaveState`.
    public var fullName: String { "\(service)/\(name)" }
}
