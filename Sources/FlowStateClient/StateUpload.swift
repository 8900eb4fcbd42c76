import Compression
import GRPC
public import WireMessages

/// A state to upload: bytes that can be read from any place, more than once, since an upload that breaks off goes on where the server has it.
public struct UploadSource: Sendable {
    /// Bytes of the state.
    public let size: Int64
    private let readBytes: @Sendable (_ offset: Int64, _ count: Int) throws -> [UInt8]

    /// A state that is read as it is sent.
    ///
    /// - Parameters:
    ///   - size: its bytes.
    ///   - read: at least one byte from `offset` on, `count` at most.
    public init(size: Int64, read: @escaping @Sendable (_ offset: Int64, _ count: Int) throws -> [UInt8]) {
        self.size = size
        readBytes = read
    }

    /// A state in memory.
    public init(_ bytes: [UInt8]) {
        self.init(size: Int64(bytes.count)) { offset, count in
            let start = Int(offset)
            return Array(bytes[start..<min(start + count, bytes.count)])
        }
    }

    func read(_ offset: Int64, _ count: Int) throws -> [UInt8] {
        let bytes = try readBytes(offset, Int(min(Int64(count), size - offset)))
        guard !bytes.isEmpty, bytes.count <= count else {
            throw ClientError(Status(.failedPrecondition, "the state has changed while it was read: nothing is at byte \(offset)"))
        }
        return bytes
    }
}

extension StateClient {
    /// Bytes of a message of an upload.
    private static let chunkBytes = 256 << 10

    /// Saves a state that may be larger than a message, 256 MiB at most. When the connection breaks or the server stops, it goes on from what
    /// the server has received, on another server if there is one, for as long as each `retries.attempts` attempts bring it on.
    ///
    /// The server compares the digest of what it received with that of the source, which is therefore read twice.
    ///
    /// - Parameters:
    ///   - save: all of the save but its change, which is ignored. Without an idempotency key it gets one.
    ///   - source: the state.
    ///   - uploadID: names the upload, so that another run of the program can go on with it; nil: a name of this call's own.
    ///   - progress: gets the bytes that were sent, from the beginning of the state on; after a break fewer than before.
    /// - Throws: `ClientError`, and what the source throws.
    public func uploadState(
        _ save: SaveStateRequest, from source: UploadSource, uploadID: String? = nil,
        progress: @Sendable (_ sent: Int64) -> Void = { _ in }
    ) async throws -> SaveStateResponse {
        var save = save
        save.change = nil
        if save.idempotencyKey.isEmpty { save.idempotencyKey = Self.newKey() }
        var header = UploadHeader(save: save, sizeBytes: source.size, digest: try digest(of: source), uploadID: uploadID ?? Self.newKey())
        if uploadID != nil {
            // One that was saved is another one, and so is one that is longer.
            let found = try await self.progress(of: header)
            header.offset = found.savedVersion == 0 && found.receivedBytes <= source.size ? found.receivedBytes : 0
        }
        var (backoff, attempt) = (RetryBackoff(), 1)
        while true {
            let place = place
            do {
                return try await send(header, source, to: place, progress)
            } catch let error as ClientError {
                try Task.checkCancellation()
                if error.code == .unavailable { advance(from: place) }
                guard error.isTransient, attempt < retries.attempts else { throw error }
                try await Task.sleep(for: backoff.next(atLeast: error.retryDelay))
                attempt += 1
                guard let offset = try? await self.progress(of: header).receivedBytes else { continue }
                if offset > header.offset { (backoff, attempt) = (RetryBackoff(), 1) }
                header.offset = offset
            }
        }
    }

    private func digest(of source: UploadSource) throws -> [UInt8] {
        guard let digest = RunningDigest() else { throw ClientError(Status(.resourceExhausted, "out of memory")) }
        var offset: Int64 = 0
        while offset < source.size {
            let bytes = try source.read(offset, 1 << 20)
            digest.update(bytes)
            offset += Int64(bytes.count)
        }
        return digest.value
    }

    /// How much of an upload the server has.
    private func progress(of header: UploadHeader) async throws -> GetUploadResponse {
        do {
            return try await getUpload(GetUploadRequest(flowID: header.save?.flowID ?? "", uploadID: header.uploadID))
        } catch let error as ClientError where error.reason == "UPLOAD_NOT_FOUND" {
            return GetUploadResponse()
        }
    }

    private func send(
        _ header: UploadHeader, _ source: UploadSource, to place: Int, _ progress: @Sendable (Int64) -> Void
    ) async throws -> SaveStateResponse {
        let stream: ClientStream
        do { stream = try await self.stream(.uploadState, to: place) } catch { throw ClientError(wrapping: error) }
        do {
            try await stream.send(FramedMessage(encoding: UploadStateRequest(part: .header(header))))
            var offset = header.offset
            progress(offset)
            while offset < source.size {
                let bytes = try source.read(offset, Self.chunkBytes)
                try await stream.send(FramedMessage(encoding: UploadStateRequest(part: .chunk(bytes))))
                offset += Int64(bytes.count)
                progress(offset)
            }
            stream.finish()
        } catch is CancellationError {
            // The call is over, and its messages say why; or the task is cancelled.
            if Task.isCancelled { stream.cancel() }
        } catch {
            stream.cancel()
            throw error
        }
        return try await answer(of: stream)
    }

    private func answer(of stream: ClientStream) async throws -> SaveStateResponse {
        do {
            var messages = stream.messages.makeAsyncIterator()
            guard let message = try await messages.next() else { throw ClientError(missing: "message") }
            guard let saved = try UploadStateResponse.decode(message, ceiling: .max).saved else {
                throw ClientError(missing: "saved version")
            }
            return saved
        } catch {
            throw ClientError(wrapping: error)
        }
    }
}
