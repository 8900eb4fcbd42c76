import FlowStore
import NIOCore

/// Brings the answers of a database batch to the event loops of their calls: one hop a loop a batch.
final class EventLoopExecutor: CompletionExecutor {
    let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func execute(_ work: @escaping @Sendable () -> Void) { eventLoop.execute(work) }
}

/// One executor for each event loop, so that the answers for one loop are recognised as such.
struct EventLoopExecutors: Sendable {
    /// As many as there are processors: found sooner one by one than by a hash.
    private let executors: [EventLoopExecutor]

    init(_ group: any EventLoopGroup) {
        executors = group.makeIterator().map { EventLoopExecutor($0) }
    }

    func executor(for eventLoop: any EventLoop) -> EventLoopExecutor {
        executors.first { $0.eventLoop === eventLoop } ?? EventLoopExecutor(eventLoop)
    }
}
