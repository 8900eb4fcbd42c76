import FlowStore
import NIOCore

/// Brings the answers of a database batch to the event loops of their calls: one hop a loop a batch.
final class EventLoopExecutor: CompletionExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func execute(_ work: @escaping @Sendable () -> Void) { eventLoop.execute(work) }
}

/// One executor for each event loop, so that the answers for one loop are recognised as such.
struct EventLoopExecutors: Sendable {
    private let executors: [ObjectIdentifier: EventLoopExecutor]

    init(_ group: any EventLoopGroup) {
        executors = Dictionary(
            group.makeIterator().map { (ObjectIdentifier($0), EventLoopExecutor($0)) }
        ) { first, _ in first }
    }

    func executor(for eventLoop: any EventLoop) -> EventLoopExecutor {
        executors[ObjectIdentifier(eventLoop)] ?? EventLoopExecutor(eventLoop)
    }
}
