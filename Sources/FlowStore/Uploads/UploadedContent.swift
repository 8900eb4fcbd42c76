import Compression
import FlowModel
import JSON

/// The content of an upload as it comes: its digest, whether it is JSON, and the part that is being filled.
///
/// `@unchecked Sendable`: one owner at a time. The upload's task waits for each computation to which it lends this.
final class UploadedContent: @unchecked Sendable {
    /// Bytes so far, those included that are stored.
    private(set) var size: Int64 = 0
    /// Those that are in no part yet.
    private var pending: [UInt8] = []
    private let digest: RunningDigest
    /// nil: the content type is not JSON.
    private var text: JSONTextStream?
    private let contentType: ContentType
    private let check: StateCheck
    let partBytes: Int

    /// - Throws: `internalFault` when out of memory.
    init(_ contentType: ContentType, partBytes: Int, limits: Limits) throws(StateError) {
        guard let digest = RunningDigest() else { throw .internalFault("out of memory") }
        self.digest = digest
        self.partBytes = partBytes
        self.contentType = contentType
        check = StateCheck(limits: limits)
        text = contentType.isJSON ? JSONTextStream(maximumDepth: limits.jsonDepth) : nil
    }

    /// Takes the next bytes, which are stored already.
    /// - Throws: as `take`.
    func resume(_ bytes: [UInt8]) throws(StateError) { try look(bytes) }

    /// Takes the next bytes.
    /// - Throws: `tooLarge`; `stateInvalid` when this cannot become JSON.
    func take(_ bytes: [UInt8]) throws(StateError) {
        try look(bytes)
        pending += bytes
    }

    private func look(_ bytes: [UInt8]) throws(StateError) {
        size += Int64(bytes.count)
        let limit = check.limits.streamedStateBytes
        if size > limit { throw .tooLarge(what: "state", size: Int(clamping: size), limit: limit) }
        digest.update(bytes)
        if let fault = text?.take(bytes) { throw check.notJSON(fault, contentType) }
    }

    /// Whether a part is full, so that it can be taken out.
    var hasFullPart: Bool { pending.count >= partBytes }

    var pendingBytes: Int { pending.count }

    /// Takes out the next part: at the end, what is left.
    func removePart() -> [UInt8] {
        if pending.count <= partBytes {
            defer { pending = [] }
            return pending
        }
        defer { pending.removeFirst(partBytes) }
        return Array(pending[..<partBytes])
    }

    /// The digest of the whole, which is complete.
    /// - Throws: `stateInvalid` when it is not JSON.
    func end() throws(StateError) -> [UInt8] {
        if let fault = text?.end() { throw check.notJSON(fault, contentType) }
        return digest.value
    }
}
