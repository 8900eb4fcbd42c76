import NIOCore
import Synchronization

/// Reports one call to the observer. Confined to the call's event loop; exists only with an observer.
final class Observation {
    private static let lastID = Atomic<UInt64>(0)

    private let observer: any CallObserver
    private let call: ObservedCall
    private let opened: NIODeadline
    var requestBytes = 0
    var responseBytes = 0

    init(
        _ observer: any CallObserver, path: String, isRouted: Bool, peer: String, metadata: Metadata, began opened: NIODeadline
    ) {
        self.observer = observer
        self.opened = opened
        let id = Self.lastID.wrappingAdd(1, ordering: .relaxed).newValue
        call = ObservedCall(id: id, path: path, isRouted: isRouted, peer: peer, metadata: metadata)
        observer.began(call)
    }

    /// Called once: `CallState` lets a call end once.
    func ended(_ kind: CallEnding.Kind, _ code: StatusCode) {
        observer.ended(
            call,
            CallEnding(
                kind: kind, code: code, requestBytes: requestBytes, responseBytes: responseBytes, duration: .now() - opened))
    }
}
