import Compression
import GRPC
public import WireMessages

extension StateClient {
    /// Loads a version whose state may be larger than a message. When the connection breaks or the server stops, it goes on behind what has
    /// come, on another server if there is one, for as long as each `retries.attempts` attempts bring it on.
    ///
    /// - Parameters:
    ///   - load: which version of which flow.
    ///   - begin: gets the version, once; its state is empty.
    ///   - take: gets the state in pieces, in order. They are the whole state only when this function returns: a digest that differs is found at
    ///     the end.
    /// - Returns: the version.
    /// - Throws: `ClientError`, and what `begin` and `take` throw.
    @discardableResult
    public func downloadState(
        _ load: LoadStateRequest, begin: (Snapshot) async throws -> Void = { _ in }, take: ([UInt8]) async throws -> Void
    ) async throws -> Snapshot {
        guard let digest = RunningDigest() else { throw ClientError(Status(.resourceExhausted, "out of memory")) }
        var download = Download(request: DownloadStateRequest(load: load, chunkBytes: 256 << 10))
        var (backoff, attempt) = (RetryBackoff(), 1)
        while true {
            let (place, before) = (place, download.request.offset)
            do {
                let snapshot = try await receive(&download, from: place, digest, begin, take)
                guard let version = snapshot.version, digest.value == version.digest else {
                    throw ClientError(Status(.dataLoss, "what came is not the state of the version: its digest differs"))
                }
                return snapshot
            } catch let failure as ClientError {
                try Task.checkCancellation()
                if failure.code == .unavailable { advance(from: place) }
                if download.request.offset > before { (backoff, attempt) = (RetryBackoff(), 1) }
                guard failure.isTransient, attempt < retries.attempts else { throw failure }
                try await Task.sleep(for: backoff.next(atLeast: failure.retryDelay))
                attempt += 1
            }
        }
    }

    private struct Download {
        /// What is still to come.
        var request: DownloadStateRequest
        var snapshot: Snapshot?
    }

    /// One call.
    private func receive(
        _ download: inout Download, from place: Int, _ digest: RunningDigest, _ begin: (Snapshot) async throws -> Void,
        _ take: ([UInt8]) async throws -> Void
    ) async throws -> Snapshot {
        let stream: ClientStream
        do { stream = try await self.stream(.downloadState, to: place) } catch { throw ClientError(wrapping: error) }
        defer { stream.cancel() }
        // When the call is over already, its messages say why.
        do { try await stream.send(FramedMessage(encoding: download.request)) } catch is CancellationError {}
        stream.finish()
        var messages = stream.messages.makeAsyncIterator()
        while let part = try await next(&messages) {
            switch part {
            case .snapshot(let snapshot):
                if download.snapshot != nil { continue }
                download.snapshot = snapshot
                // It goes on with this version, whatever is saved meanwhile.
                download.request.load?.selector = .version(snapshot.version?.version ?? 0)
                try await begin(snapshot)
            case .chunk(let bytes):
                digest.update(bytes)
                download.request.offset += Int64(bytes.count)
                try await take(bytes)
            }
        }
        guard let snapshot = download.snapshot else { throw ClientError(missing: "snapshot") }
        return snapshot
    }

    private func next(_ messages: inout MessageStream.AsyncIterator) async throws -> DownloadStateResponse.Part? {
        do {
            guard let message = try await messages.next() else { return nil }
            return try DownloadStateResponse.decode(message, ceiling: .max).part
        } catch {
            throw ClientError(wrapping: error)
        }
    }
}
