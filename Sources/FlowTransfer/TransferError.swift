/// Why a transfer cannot go on, where no call failed.
package enum TransferError: Error, Sendable, CustomStringConvertible {
    case flowNotFound(id: String)
    /// The server answered something that the contract rules out.
    case malformedAnswer(String)

    package var description: String {
        switch self {
        case .flowNotFound(let id): "there is no flow '\(id)'"
        case .malformedAnswer(let what): what
        }
    }
}
