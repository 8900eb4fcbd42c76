import FlowStore
import GRPC

/// Completes the calls of a database batch together on their event loop, those of a large batch in slices.
extension SlicedWork: CompletionExecutor {}
