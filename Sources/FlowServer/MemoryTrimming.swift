import CJemalloc
import Logging
import Resources

/// Returns memory to the system at once when requests have released much of it, or when a large request has met more resident memory than
/// reservations and caches explain. jemalloc by itself takes some seconds.
struct MemoryTrimming: Sendable {
    let memory: MemoryBudget
    let resident: ResidentMemory
    let logger: Logger

    /// Between looks that no excess causes.
    private static let pause = Duration.seconds(1)

    /// Runs until cancelled.
    func run() async {
        let (looks, asking) = AsyncStream.makeStream(of: Look.self, bufferingPolicy: .bufferingNewest(1))
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while (try? await Task.sleep(for: Self.pause)) != nil { asking.yield(.usual) }
            }
            group.addTask {
                for await _ in resident.excesses { asking.yield(.excess) }
            }
            var rule = TrimmingRule(resident: ProcessSettings.residentBytes, now: .now)
            for await look in looks { await trimIfDue(&rule, look) }
            group.cancelAll()
        }
    }

    private enum Look { case usual, excess }

    private func trimIfDue(_ rule: inout TrimmingRule, _ look: Look) async {
        let (before, released) = (ProcessSettings.residentBytes, memory.released)
        let isDue = rule.isDue(
            resident: before, reserved: memory.reserved - memory.lent, released: released, isExcessive: look == .excess, now: .now)
        guard isDue else { return }
        let taken = await trim()
        let after = ProcessSettings.residentBytes
        rule.trimmed(from: before, to: after, released: released, now: .now)
        logger.debug(
            "memory given back",
            metadata: ["before": "\(before >> 20) MiB", "after": "\(after >> 20) MiB", "milliseconds": "\(taken / .milliseconds(1))"])
    }

    /// On a thread of its own: it takes milliseconds.
    private func trim() async -> Duration {
        await withCheckedContinuation { continuation in
            let isStarted = WorkerThread.start(name: "trim") {
                let begin = Instant.now
                Allocator.trim()
                continuation.resume(returning: Instant.now - begin)
            }
            if !isStarted { continuation.resume(returning: .zero) }
        }
    }
}

/// When heaps should be trimmed. Pure.
struct TrimmingRule {
    /// This much more is resident than after the last trim: much of it may be free.
    static let moreBytes = 32 << 20
    /// This much was released since the last trim, which is a while ago: what was in use then may be free now.
    static let releasedBytes = 32 << 20
    static let whileAgo = Duration.seconds(10)
    /// How often memory that nothing explains is returned: seldom (`vainPause`) when the last trim returned little.
    static let excessPause = Duration.milliseconds(250)
    static let vainPause = Duration.seconds(5)
    static let littleBytes = 8 << 20

    /// The least that was resident since the last trim.
    private var resident: Int
    private var released = 0
    private var last: Instant
    private var wasVain = false

    init(resident: Int, now: Instant) {
        self.resident = resident
        last = now
    }

    /// - Parameters:
    ///   - resident: Resident bytes of the process.
    ///   - reserved: Bytes that requests hold now.
    ///   - released: Bytes that they have released so far (`MemoryBudget.released`).
    ///   - isExcessive: Whether a large request has just met more resident memory than is explained (`ResidentMemory.excesses`).
    mutating func isDue(resident bytes: Int, reserved: Int, released: Int, isExcessive: Bool, now: Instant) -> Bool {
        resident = min(resident, bytes)
        // While requests still hold much, it would soon be allocated again.
        let isMore = bytes - resident >= Self.moreBytes && reserved < (bytes - resident) / 2
        let isOver = released &- self.released >= Self.releasedBytes && reserved < Self.releasedBytes && now - last >= Self.whileAgo
        return isMore || isOver || isExcessive && now - last >= (wasVain ? Self.vainPause : Self.excessPause)
    }

    mutating func trimmed(from before: Int, to resident: Int, released: Int, now: Instant) {
        self.resident = resident
        self.released = released
        last = now
        wasVain = before - resident < Self.littleBytes
    }
}

/// The server's malloc: jemalloc, as `CJemalloc` sets it.
enum Allocator {
    /// Returns the free pages of all arenas to the system. Takes milliseconds: not for event loops.
    static func trim() { mallctl("arena.\(MALLCTL_ARENAS_ALL).purge", nil, nil, nil, 0) }

    /// A setting as jemalloc has read it (jemalloc(3), MALLCTL NAMESPACE); nil: there is none of this name and size. `size_t` and `ssize_t`
    /// are `Int`, `bool` is `Bool`.
    static func setting<Value: BitwiseCopyable>(_ name: String, default value: Value) -> Value? {
        var (value, size) = (value, MemoryLayout<Value>.size)
        return mallctl(name, &value, &size, nil, 0) == 0 ? value : nil
    }
}
