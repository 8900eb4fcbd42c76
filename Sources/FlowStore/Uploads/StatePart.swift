import Compression
import FlowModel
import Postgres
import Resources

/// A part of a state, as stored.
struct StatePart: Sendable {
    let codec: StateCodec
    /// Bytes of the state in it.
    let size: Int
    /// XXH3-128 of those.
    let digest: [UInt8]
    let bytes: [UInt8]

    init(packing content: [UInt8], _ zstd: ZstdPool) {
        let stored = StateCompression.storeWhole(content, zstd)
        (codec, bytes) = (stored.codec, stored.bytes)
        size = content.count
        digest = XXH3.digest(content)
    }

    /// - Parameter rows: of `UploadSQL.part`.
    init?(_ rows: ResultRows) throws(PostgresError) {
        guard rows.count == 1, let codec = StateCodec(rawValue: try rows.int16(0, 0)) else { return nil }
        self.codec = codec
        size = Int(try rows.int32(0, 1))
        digest = try rows.bytes(0, 2)
        bytes = try rows.bytes(0, 3)
    }

    /// - Parameter largest: the most that a part may have.
    /// - Returns: nil: it is damaged.
    func content(largest: Int, _ zstd: ZstdPool) -> [UInt8]? {
        guard size <= largest else { return nil }
        let content: [UInt8]? =
            switch codec {
            case .raw: bytes
            case .frame:
                zstd.withContext { context in
                    bytes.withUnsafeBytes { frame in
                        ZstdContext.contentSize(of: frame) == size ? context.decompress(frame, size: size) : nil
                    }
                } ?? nil
            case .patch, .parts: nil
            }
        guard let content, content.count == size, XXH3.digest(content) == digest else { return nil }
        return content
    }
}

extension StateStore {
    /// The parts of a large state, one at a time: neither this process nor PostgreSQL holds more of it.
    ///
    /// - Returns: the content of the part; nil: there is none, or it is damaged.
    func part(_ number: Int, of reference: [UInt8], _ key: FlowKey, for context: OperationContext) async throws(StateError) -> [UInt8]? {
        guard let largest = StateParts.partBytes(of: reference) else { return nil }
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(bytes: reference)
        parameters.append(Int32(clamping: number))
        let query = Query<StatePart?>(statement: UploadSQL.part, parameters: parameters) { rows throws(PostgresError) in
            .success(try StatePart(rows))
        }
        guard let part = try await ask(query, on: .largeRead(key), for: context) else { return nil }
        let zstd = resources.zstd
        return try await computed(.short, context) { () throws(StateError) in part.content(largest: largest, zstd) }
    }

    /// From now on the parts stay for as long as it takes to save a version that has them.
    ///
    /// - Returns: false: they were removed already.
    func keep(_ parts: StateParts, of key: FlowKey, for context: OperationContext) async throws(StateError) -> Bool {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(bytes: parts.reference)
        let query = Query<Bool>(statement: UploadSQL.touch, parameters: parameters) { .success($0.count > 0) }
        return try await ask(query, on: .largeWrite(shard: Shard.of(key)), for: context)
    }

    /// The result of `work`, which runs on a thread of the scheduler.
    func computed<Value: Sendable>(
        _ length: ComputeScheduler.Length, _ context: OperationContext, _ work: @escaping @Sendable () throws(StateError) -> Value
    ) async throws(StateError) -> Value {
        try await wait(context) { schedule(length, $0, $1, work) }
    }
}
