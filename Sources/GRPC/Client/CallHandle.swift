import NIOConcurrencyHelpers
import NIOCore

/// Cancels a call that was started with `Client.call`; from any thread.
public struct CallHandle: Sendable {
    private enum State {
        /// No connection yet.
        case waiting
        case started(ClientCall)
        case cancelled
    }

    private let eventLoop: any EventLoop
    private let state: NIOLoopBoundBox<State>

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        state = .makeBoxSendingValue(.waiting, eventLoop: eventLoop)
    }

    /// The call can begin; it ends at once if it was cancelled while it waited for a connection.
    func attach(_ call: ClientCall) {
        if case .cancelled = state.value { return call.abandon(Self.cancelled) }
        state.value = .started(call)
    }

    /// The receiver took a message of the call.
    func taken(_ bytes: Int) {
        eventLoop.execute { if case .started(let call) = self.state.value { call.taken(bytes) } }
    }

    /// Resets the stream; the completion gets CANCELLED. Nothing happens when the call is over.
    public func cancel() {
        eventLoop.execute {
            if case .started(let call) = self.state.value { call.abandon(Self.cancelled) }
            self.state.value = .cancelled
        }
    }

    private static let cancelled = Status(.cancelled, "the caller cancelled the call")
}

/// A place for the handle of a call whose task may be cancelled before the call has begun.
struct CancelBox: Sendable {
    private enum State {
        case empty, cancelled
        case handle(CallHandle)
    }

    private let state = NIOLockedValueBox(State.empty)

    func set(_ handle: CallHandle) {
        let isLate = state.withLockedValue { state in
            if case .cancelled = state { return true }
            state = .handle(handle)
            return false
        }
        if isLate { handle.cancel() }
    }

    func cancel() {
        let handle = state.withLockedValue { state -> CallHandle? in
            defer { state = .cancelled }
            if case .handle(let handle) = state { return handle }
            return nil
        }
        handle?.cancel()
    }
}
