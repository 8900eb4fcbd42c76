import JSON

/// What one task has produced for a flow before the next version is saved. It belongs to a version, by that version's label, and may come
/// before that version does.
package struct PendingWrite: Sendable, Equatable {
    package var taskID: String
    /// Among the task's writes. Negative ones replace what is there, others stay once they are there.
    package var index: Int32
    package var channel: String
    /// The client's name for the encoding of `value`.
    package var type: String
    package var value: [UInt8]
    /// The task's path in a nested flow.
    package var path: String

    package init(taskID: String, index: Int32, channel: String, type: String = "", value: [UInt8] = [], path: String = "") {
        self.taskID = taskID
        self.index = index
        self.channel = channel
        self.type = type
        self.value = value
        self.path = path
    }

    /// About what it takes in memory and in a statement.
    package var byteCount: Int { value.count + taskID.utf8.count + channel.utf8.count + type.utf8.count + path.utf8.count + 64 }
}

extension [PendingWrite] {
    package var byteCount: Int { reduce(0) { $0 + $1.byteCount } }

    /// What is left of writes that are stored one after the other, by task and index: of a pair of them that comes several times the first
    /// one, or with a negative index the last one, with the path of the first.
    package func merged() -> [PendingWrite] {
        var places: [Place: Int] = [:]
        var merged: [PendingWrite] = []
        merged.reserveCapacity(count)
        for write in self {
            let place = Place(taskID: Name(write.taskID), index: write.index)
            guard let known = places[place] else {
                places[place] = merged.count
                merged.append(write)
                continue
            }
            guard write.index < 0 else { continue }
            let path = merged[known].path
            merged[known] = write
            merged[known].path = path
        }
        return merged.sorted { left, right in
            if left.taskID.hasSameBytes(as: right.taskID) { return left.index < right.index }
            return left.taskID.utf8.lexicographicallyPrecedes(right.taskID.utf8)
        }
    }

    private struct Place: Hashable {
        let taskID: Name
        let index: Int32
    }
}

/// A pending write as it is stored.
package struct StoredWrite: Sendable, Equatable {
    package var write: PendingWrite
    package var versionLabel: String
    /// Who wrote it last.
    package var actor: String
    package var createdAt: Timestamp

    package init(write: PendingWrite, versionLabel: String, actor: String, createdAt: Timestamp) {
        self.write = write
        self.versionLabel = versionLabel
        self.actor = actor
        self.createdAt = createdAt
    }
}

/// Stores writes for a version, which need not exist yet, nor its flow.
package struct AppendWritesCommand: Sendable {
    package var key: FlowKey
    package var actor: String
    package var versionLabel: String
    package var writes: [PendingWrite]
    /// See `SaveCommand`.
    package var leaseToken: Int64?

    package init(key: FlowKey, actor: String, versionLabel: String, writes: [PendingWrite]) {
        self.key = key
        self.actor = actor
        self.versionLabel = versionLabel
        self.writes = writes
    }
}

package struct WriteCounts: Sendable, Equatable {
    package var added: Int32
    package var replaced: Int32

    package init(added: Int32, replaced: Int32) {
        self.added = added
        self.replaced = replaced
    }
}

/// Which writes of a flow a command is about; nil: all.
package struct WriteFilter: Sendable, Equatable {
    package var versionLabel: String?
    package var channel: String?
    package var taskID: String?

    package init(versionLabel: String? = nil, channel: String? = nil, taskID: String? = nil) {
        self.versionLabel = versionLabel
        self.channel = channel
        self.taskID = taskID
    }
}

/// The writes of a flow by version label, path, task and index, names by their bytes.
package struct ListWritesCommand: Sendable {
    package var key: FlowKey
    package var filter: WriteFilter
    /// 0 means the default.
    package var pageSize: Int
    package var pageToken: PageToken?

    package init(key: FlowKey, filter: WriteFilter = WriteFilter(), pageSize: Int = 0, pageToken: PageToken? = nil) {
        self.key = key
        self.filter = filter
        self.pageSize = pageSize
        self.pageToken = pageToken
    }
}

/// Removes writes and returns how many; makes no version.
package struct DeleteWritesCommand: Sendable {
    package var key: FlowKey
    package var actor: String
    package var filter: WriteFilter
    /// See `SaveCommand`.
    package var leaseToken: Int64?

    package init(key: FlowKey, actor: String, filter: WriteFilter = WriteFilter()) {
        self.key = key
        self.actor = actor
        self.filter = filter
    }
}
