import Compression
import FlowModel

/// A download: a version, and its state in pieces. One that is stored in parts is read a part at a time. For one task.
package struct StateDownload: Sendable {
    private let command: DownloadCommand
    private let store: StateStore
    private let context: OperationContext

    /// - Throws: what is wrong with the command.
    package init(_ command: DownloadCommand, on store: StateStore, for context: OperationContext) throws(StateError) {
        try command.check(limits: store.limits)
        (self.command, self.store, self.context) = (command, store, context)
    }

    /// - Parameters:
    ///   - begin: gets the version, without its state.
    ///   - send: gets the pieces, in order; returns when there is room for the next one.
    package func run(begin: (LoadOutcome) async throws -> Void, send: ([UInt8]) async throws -> Void) async throws {
        let outcome = try await store.load(command.load, for: context)
        let snapshot: Snapshot
        switch outcome {
        case .snapshot(let loaded), .withWrites(.snapshot(let loaded), _): snapshot = loaded
        case .unchanged, .withWrites: return try await begin(outcome)
        }
        if command.offset > snapshot.version.size {
            throw StateError.invalidArgument(
                field: "offset", message: "is \(command.offset), the state has \(snapshot.version.size) bytes")
        }
        try await begin(outcome)
        if let parts = snapshot.parts { return try await self.send(parts, of: snapshot, send) }
        try await self.send(snapshot.state[Int(command.offset)...], send)
    }

    private func send(_ bytes: ArraySlice<UInt8>, _ send: ([UInt8]) async throws -> Void) async throws {
        let chunkBytes = command.chunkBytes == 0 ? store.limits.chunkBytes : command.chunkBytes
        var rest = bytes
        while !rest.isEmpty {
            try await send(Array(rest.prefix(chunkBytes)))
            rest = rest.dropFirst(chunkBytes)
        }
    }

    private func send(_ parts: StateParts, of snapshot: Snapshot, _ send: ([UInt8]) async throws -> Void) async throws {
        guard let partBytes = parts.partBytes, let digest = RunningDigest() else { throw loss(snapshot, "its reference is damaged") }
        var (place, number) = (command.offset, Int(command.offset / Int64(partBytes)))
        while place < parts.size {
            // As it came, unpacked, and cut: while a reader takes its time, only what it has not taken.
            try context.reserve(3 * partBytes)
            var reserved = 3 * partBytes
            defer { context.memory?.memory.release(reserved) }
            let content = try await part(number, of: parts, snapshot)
            context.memory?.memory.release(reserved - content.count)
            reserved = content.count
            let expected = min(Int64(partBytes), parts.size - Int64(number) * Int64(partBytes))
            guard content.count == expected else {
                throw loss(snapshot, "part \(number) has \(content.count) bytes, \(expected) are expected")
            }
            if command.offset == 0 { digest.update(content) }
            try await self.send(content[Int(place - Int64(number) * Int64(partBytes))...], send)
            number += 1
            place = Int64(number) * Int64(partBytes)
        }
        if command.offset == 0, digest.value != parts.digest { throw loss(snapshot, "the parts together have another digest") }
    }

    private func part(_ number: Int, of parts: StateParts, _ snapshot: Snapshot) async throws -> [UInt8] {
        if let content = try await store.part(number, of: parts.reference, snapshot.head.key, for: context) { return content }
        // The version may have been removed since the download began.
        var again = LoadCommand(key: snapshot.head.key, selector: .version(snapshot.version.version))
        again.findsParts = true
        _ = try await store.load(again, for: context)
        throw loss(snapshot, "part \(number) is missing or damaged")
    }

    private func loss(_ snapshot: Snapshot, _ message: String) -> StateError {
        let error = StateError.dataLoss(flowID: snapshot.head.key.flowID, version: snapshot.version.version, message: message)
        store.log(error)
        return error
    }
}
