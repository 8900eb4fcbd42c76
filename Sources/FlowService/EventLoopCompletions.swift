import FlowStore
import GRPC

/// The answers of a database batch go to the event loop of their calls together, and a large batch of them in slices.
extension SlicedWork: CompletionExecutor {}
