import FlowModel
import Postgres
import Resources

/// An upload: takes a state in pieces, stores it in parts, and saves it. Parts are there for good as soon as they are stored, so a call that
/// breaks off is resumed behind the last of them (`UploadCommand.uploadID`).
///
///     begin, or resume: what is stored is read again ──▶ take each piece ──▶ finish: the save
///
/// A state that turns out to fit a message is saved like one that came in a message. For one task.
package final class StateUpload {
    private let command: UploadCommand
    private let store: StateStore
    private let context: OperationContext
    private let content: UploadedContent
    /// The call, among those that want to continue the upload.
    private let owner = Int64.random(in: 1...Int64.max)
    /// nil: nothing is stored yet.
    private var reference: [UInt8]?
    /// Bytes of the state that are stored.
    private var storedBytes: Int64 = 0
    /// Bytes at the beginning of the next pieces that are stored already.
    private var bytesToPass: Int64 = 0
    /// Bytes that are reserved for those of the state that are in memory.
    private var reservedBytes = 0
    /// When the part that is being filled began.
    private var partBegan = Instant.now

    /// Begins the upload, or resumes it.
    package init(_ command: UploadCommand, on store: StateStore, for context: OperationContext) async throws(StateError) {
        try command.check(limits: store.limits)
        (self.command, self.store, self.context) = (command, store, context)
        guard command.offset > 0, let uploadID = command.uploadID else {
            let partBytes = min(max(store.limits.partBytes, 1), Self.largestPart)
            content = try UploadedContent(command.save.contentType, partBytes: partBytes, limits: store.limits)
            return
        }
        let (reference, received) = try await Self.resume(uploadID, command.save.key, owner, in: store, context)
        guard let partBytes = StateParts.partBytes(of: reference) else { throw .internalFault("an upload has a damaged reference") }
        if command.offset > received {
            throw .invalidArgument(field: "offset", message: "is \(command.offset), but only \(received) bytes were received")
        }
        content = try UploadedContent(command.save.contentType, partBytes: partBytes, limits: store.limits)
        (self.reference, storedBytes) = (reference, received)
        bytesToPass = received - command.offset
        try await readAgain()
    }

    // MARK: Pieces

    /// Takes the next piece of the state, and stores the parts that it completes.
    package func take(_ bytes: [UInt8]) async throws(StateError) {
        if bytes.isEmpty { throw .invalidArgument(field: "chunk", message: "must not be empty") }
        var bytes = bytes
        if bytesToPass > 0 {
            let passed = Int(min(bytesToPass, Int64(bytes.count)))
            bytesToPass -= Int64(passed)
            if passed == bytes.count { return }
            bytes.removeFirst(passed)
        }
        if storedBytes % Int64(content.partBytes) != 0 {
            throw .invalidArgument(field: "chunk", message: "is behind the end of the state, which was received before")
        }
        try command.check(sizeSoFar: content.size + Int64(bytes.count))
        if content.pendingBytes > Self.smallBytes, .now - partBegan > .milliseconds(store.limits.partMilliseconds) {
            throw .deadlineExceeded(outcomeUnknown: false)
        }
        try reserve(content.pendingBytes + bytes.count)
        let content = content
        try await store.computed(.short, context) { [bytes] () throws(StateError) in try content.take(bytes) }
        while content.hasFullPart { try await storePart() }
        try reserve(content.pendingBytes)
    }

    /// Uploads that hold less reserve nothing, and may take as long as they like.
    private static let smallBytes = 64 << 10
    private static let largestPart = 16 << 20

    /// Reserves memory for so many bytes, instead of for those before.
    private func reserve(_ bytes: Int) throws(StateError) {
        let bytes = bytes > Self.smallBytes ? bytes : 0
        try context.reserve(bytes - reservedBytes)
        context.memory?.memory.release(max(reservedBytes - bytes, 0))
        reservedBytes = bytes
    }

    /// What a call leaves that fails: an upload that cannot be resumed, or whose content is refused, is given up.
    package func end(with error: any Error) async {
        let isRefused = (error as? StateError)?.isOfContent ?? false
        guard let reference, command.uploadID == nil || isRefused else { return }
        _ = try? await ask(UploadSQL.giveUp, reference)
    }

    /// The state is complete.
    package func finish() async throws(StateError) -> SavedVersion {
        if bytesToPass > 0 {
            throw .invalidArgument(field: "chunk", message: "ends \(bytesToPass) bytes before what was received already")
        }
        let content = content
        let digest = try content.end()
        try command.check(size: content.size, digest: digest)
        var save = command.save
        if content.size <= Int64(store.limits.stateBytes) {
            save.state = try await whole()
            let saved = try await run(save)
            if reference != nil { await note(saved) }
            return saved
        }
        if content.pendingBytes > 0 { try await storePart() }
        guard let reference, try await ask(UploadSQL.keep, reference, storedBytes) else {
            throw .uploadContinued(flowID: save.key.flowID)
        }
        save.parts = StateParts(reference: reference, size: content.size, digest: digest)
        let saved = try await run(save)
        await note(saved)
        return saved
    }

    private func run(_ save: SaveCommand) async throws(StateError) -> SavedVersion {
        try await store.wait(context) { (context, completion) throws(StateError) in
            try save.run(on: store, context: context, completion: completion)
        }
    }

    /// Remembers the version, for `GetUpload` and for removal. If that fails, both find out without.
    private func note(_ saved: SavedVersion) async {
        guard let reference else { return }
        _ = try? await ask(UploadSQL.saved, reference, number: saved.version)
    }

    // MARK: Parts

    private func storePart() async throws(StateError) {
        let reference = try await begun()
        // As it is taken out, as it is packed, and as a parameter. The next message of the call may be reserving at the same time.
        let bytes = 3 * min(content.partBytes, content.pendingBytes)
        try context.reserve(bytes)
        defer { context.memory?.memory.release(bytes) }
        let (content, zstd) = (content, store.resources.zstd)
        let part = try await store.computed(.short, context) { () throws(StateError) in StatePart(packing: content.removePart(), zstd) }
        var parameters = parameters(reference, owner)
        parameters.append(storedBytes)
        parameters.append(Int32(clamping: storedBytes / Int64(content.partBytes)))
        parameters.append(part.codec.rawValue)
        parameters.append(Int32(clamping: part.size))
        parameters.append(bytes: part.digest)
        parameters.append(bytes: part.bytes)
        guard try await ask(UploadSQL.append, parameters) else { throw .uploadContinued(flowID: command.save.key.flowID) }
        storedBytes += Int64(part.size)
        partBegan = .now
    }

    /// The reference of the upload, which begins with its first part.
    private func begun() async throws(StateError) -> [UInt8] {
        if let reference { return reference }
        try await checkVersion()
        let random = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max))
        let new = StateParts.reference(random: random, partBytes: content.partBytes)
        var parameters = parameters(new, owner)
        parameters.append(command.uploadID)
        for _ in 0..<ChangeRounds.maximumAttempts where try await ask(UploadSQL.begin, parameters) {
            reference = new
            return new
        }
        throw .contention
    }

    /// Refuses a large upload that comes too late before it is stored. With an idempotency key it may have been saved already.
    private func checkVersion() async throws(StateError) {
        let save = command.save
        guard case .expected(let expected) = save.precondition, save.idempotencyKey == nil, !save.revives else { return }
        let flowID = save.key.flowID
        var load = LoadCommand(key: save.key, ifVersionNot: expected)
        load.findsParts = true
        do throws(StateError) {
            let actual: FlowVersion
            switch try await store.load(load, for: context) {
            case .unchanged, .withWrites: return
            case .snapshot(let snapshot): actual = snapshot.version.version
            }
            if actual != expected { throw .versionConflict(flowID: flowID, expected: expected, actual: actual) }
        } catch {
            // A flow that is not there is the save's to judge.
            if case .flowNotFound = error { return }
            throw error
        }
    }

    /// Reads the parts that are stored: the digest is of the whole, and what was kept must be what came.
    private func readAgain() async throws(StateError) {
        guard let reference else { return }
        let bytes = 3 * content.partBytes
        try context.reserve(bytes)
        defer { context.memory?.memory.release(bytes) }
        while content.size < storedBytes {
            let part = try await part(Int(content.size / Int64(content.partBytes)), of: reference)
            let content = content
            try await store.computed(.short, context) { () throws(StateError) in try content.resume(part) }
        }
    }

    /// All of a state that fits a message.
    private func whole() async throws(StateError) -> [UInt8] {
        try context.reserve(2 * Int(content.size))
        var state: [UInt8] = []
        state.reserveCapacity(Int(content.size))
        if let reference {
            while state.count < storedBytes { state += try await part(state.count / content.partBytes, of: reference) }
        }
        return state + content.removePart()
    }

    private func part(_ number: Int, of reference: [UInt8]) async throws(StateError) -> [UInt8] {
        let key = command.save.key
        guard let part = try await store.part(number, of: reference, key, for: context) else {
            throw .dataLoss(flowID: key.flowID, version: 0, message: "part \(number) of an upload is missing or damaged; begin it anew")
        }
        return part
    }

    // MARK: Statements

    private static func resume(
        _ uploadID: String, _ key: FlowKey, _ owner: Int64, in store: StateStore, _ context: OperationContext
    ) async throws(StateError) -> (reference: [UInt8], received: Int64) {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(uploadID)
        parameters.append(owner)
        let query = Query<([UInt8], Int64)>(statement: UploadSQL.resume, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count == 1 else { return .failure(.uploadNotFound(flowID: key.flowID, uploadID: uploadID)) }
            return .success((try rows.bytes(0, 0), try rows.int64(0, 1)))
        }
        return try await store.ask(query, on: .largeWrite(shard: Shard.of(key)), for: context)
    }

    private func parameters(_ reference: [UInt8], _ number: Int64) -> Parameters {
        var parameters = Parameters()
        parameters.append(command.save.key.tenant)
        parameters.append(command.save.key.flowID)
        parameters.append(bytes: reference)
        parameters.append(number)
        return parameters
    }

    private func ask(_ statement: Statement, _ reference: [UInt8]) async throws(StateError) -> Bool {
        try await ask(statement, parameters(reference, owner))
    }

    private func ask(_ statement: Statement, _ reference: [UInt8], number: Int64) async throws(StateError) -> Bool {
        try await ask(statement, parameters(reference, number))
    }

    private func ask(_ statement: Statement, _ reference: [UInt8], _ received: Int64) async throws(StateError) -> Bool {
        var parameters = parameters(reference, owner)
        parameters.append(received)
        return try await ask(statement, parameters)
    }

    /// Whether the statement returned a row.
    private func ask(_ statement: Statement, _ parameters: Parameters) async throws(StateError) -> Bool {
        let query = Query<Bool>(statement: statement, parameters: parameters) { .success($0.count > 0) }
        return try await store.ask(query, on: .largeWrite(shard: Shard.of(command.save.key)), for: context)
    }
}

extension GetUploadCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) {
        try NameRule.check(uploadID, field: "upload_id", maximumBytes: limits.idBytes, mayBeEmpty: false)
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> UploadProgress {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(uploadID)
        let (flowID, uploadID) = (key.flowID, uploadID)
        var query = Query<UploadProgress>(statement: UploadSQL.progress, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count == 1 else { return .failure(.uploadNotFound(flowID: flowID, uploadID: uploadID)) }
            return .success(UploadProgress(receivedBytes: try rows.int64(0, 0), savedVersion: try rows.int64IfPresent(0, 1)))
        }
        query.goesWithOthers()
        return try await store.ask(query, for: context)
    }
}
