import ArgumentParser
import FlowStateClient

/// A command that calls a server: connects, calls, reports failures in the form and with the exit code
/// that the root command's help promises.
protocol ClientCommand: AsyncParsableCommand {
    var connection: ConnectionOptions { get }
    /// What the command does, once it has a client and knows how to print.
    func call(_ client: StateClient, _ console: Console) async throws
    /// The exit code of a failure.
    func exitStatus(of failure: Failure) -> ExitStatus
}

extension ClientCommand {
    mutating func run() async throws {
        let console = Console(requested: connection.output)
        let failure: Failure
        do {
            let client = try connection.client()
            do {
                try await call(client, console)
                await client.close()
                return
            } catch {
                await client.close()
                throw error
            }
        } catch let exit as ExitCode {
            throw exit
        } catch let usage as ValidationError {
            throw usage
        } catch {
            Failure.endIfPipeIsClosed(error)
            failure = Failure(error)
        }
        let status = exitStatus(of: failure)
        console.report(failure, status)
        throw status.code
    }

    func exitStatus(of failure: Failure) -> ExitStatus { failure.status }
}
