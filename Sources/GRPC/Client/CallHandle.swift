import NIOConcurrencyHelpers
import NIOCore

/// Cancels a call that was started with `Client.call`; from any thread.
public struct CallHandle: Sendable {
    private let eventLoop: any EventLoop
    private let call: NIOLoopBoundBox<ClientCall?>

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        call = NIOLoopBoundBox.makeEmptyBox(valueType: ClientCall.self, eventLoop: eventLoop)
    }

    func attach(_ call: ClientCall) { self.call.value = call }

    /// Gives bytes of a message that was taken back to the server's window.
    func consume(_ bytes: Int) {
        let call = call
        eventLoop.execute { call.value?.consume(bytes) }
    }

    /// Resets the stream; the completion gets CANCELLED. Nothing happens when the call is over.
    public func cancel() {
        let call = call
        eventLoop.execute { call.value?.abandon(Status(.cancelled, "the caller cancelled the call")) }
    }
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
