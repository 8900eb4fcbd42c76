import Dispatch
import Glibc

/// SIGINT or SIGTERM arrived.
struct Interrupted: Error {}

/// Runs `body`; SIGINT (Ctrl-C) and SIGTERM cancel it, so that it can end a server that it started.
/// - Throws: `Interrupted`, once the cancelled `body` has ended, or what `body` throws.
func interruptible<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
    let (signals, continuation) = AsyncStream.makeStream(of: Void.self)
    let sources = [SIGINT, SIGTERM].map { number in
        // The signal's default action would end the program before the source is notified.
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number)
        source.setEventHandler { continuation.yield() }
        source.resume()
        return source
    }
    defer { for source in sources { source.cancel() } }
    return try await withThrowingTaskGroup(of: R?.self) { tasks in
        tasks.addTask { try await body() }
        tasks.addTask {
            for await _ in signals { return nil }
            throw CancellationError()
        }
        defer { tasks.cancelAll() }
        if let first = try await tasks.next(), let result = first { return result }
        tasks.cancelAll()
        _ = await tasks.nextResult()
        throw Interrupted()
    }
}
