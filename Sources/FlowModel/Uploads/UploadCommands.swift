/// Saves a state that comes in pieces.
package struct UploadCommand: Sendable {
    /// All of the save but its state.
    package var save: SaveCommand
    /// Bytes of the whole state; nil: not known yet.
    package var size: Int64?
    /// XXH3-128 of the whole state; nil: not given.
    package var digest: [UInt8]?
    /// The client's name for the upload, by which it can be resumed; nil: it cannot.
    package var uploadID: String?
    /// Where in the state the first piece begins. Above 0 the upload is resumed.
    package var offset: Int64

    package init(save: SaveCommand, size: Int64? = nil, digest: [UInt8]? = nil, uploadID: String? = nil, offset: Int64 = 0) {
        self.save = save
        self.size = size
        self.digest = digest
        self.uploadID = uploadID
        self.offset = offset
    }

    package func check(limits: Limits) throws(StateError) {
        try StateCheck(limits: limits).checkFields(of: save)
        if let uploadID { try NameRule.check(uploadID, field: "upload_id", maximumBytes: limits.idBytes, mayBeEmpty: false) }
        if let size {
            try WireNumber.check(size, field: "size_bytes")
            if size > limits.streamedStateBytes {
                throw .tooLarge(what: "state", size: Int(clamping: size), limit: limits.streamedStateBytes)
            }
        }
        if let digest, digest.count != 16 {
            throw .invalidArgument(field: "digest", message: "is \(digest.count) bytes; an XXH3-128 has 16")
        }
        try WireNumber.check(offset, field: "offset")
        if offset > 0, uploadID == nil { throw .invalidArgument(field: "offset", message: "needs the upload_id of the upload to resume") }
        if let size, offset > size { throw .invalidArgument(field: "offset", message: "is \(offset), the state has \(size) bytes") }
    }

    /// What the whole state must be, once it is there.
    package func check(size received: Int64, digest found: [UInt8]) throws(StateError) {
        if let size, size != received { throw isNotSize(size, received) }
        if let digest, digest != found {
            throw .invalidArgument(field: "digest", message: "is not that of the bytes that came; nothing was saved")
        }
    }

    /// Refuses more bytes than were announced, as soon as they come.
    package func check(sizeSoFar received: Int64) throws(StateError) {
        if let size, size < received { throw isNotSize(size, received) }
    }

    private func isNotSize(_ size: Int64, _ received: Int64) -> StateError {
        .invalidArgument(field: "size_bytes", message: "is \(size), but \(received) bytes came; nothing was saved")
    }
}

/// How far an upload has come.
package struct GetUploadCommand: Sendable {
    package var key: FlowKey
    package var uploadID: String

    package init(key: FlowKey, uploadID: String) {
        self.key = key
        self.uploadID = uploadID
    }
}

package struct UploadProgress: Sendable, Equatable {
    /// Bytes of the state that are stored, from its beginning.
    package var receivedBytes: Int64
    /// The version as which the state was saved; nil: it was not yet.
    package var savedVersion: FlowVersion?

    package init(receivedBytes: Int64, savedVersion: FlowVersion? = nil) {
        self.receivedBytes = receivedBytes
        self.savedVersion = savedVersion
    }
}

/// Reads a version of a flow, and its state in pieces.
package struct DownloadCommand: Sendable {
    package var load: LoadCommand
    /// Bytes of the state to leave out at its beginning.
    package var offset: Int64
    /// Bytes of a piece at most; 0: the default.
    package var chunkBytes: Int

    package init(load: LoadCommand, offset: Int64 = 0, chunkBytes: Int = 0) {
        self.load = load
        self.offset = offset
        self.chunkBytes = chunkBytes
        self.load.findsParts = true
    }

    package func check(limits: Limits) throws(StateError) {
        try StateCheck(limits: limits).check(load)
        try WireNumber.check(offset, field: "offset")
        try WireNumber.check(Int64(chunkBytes), field: "chunk_bytes")
        if chunkBytes > limits.maximumChunkBytes {
            throw .invalidArgument(field: "chunk_bytes", message: "is \(chunkBytes), the limit is \(limits.maximumChunkBytes)")
        }
    }
}
