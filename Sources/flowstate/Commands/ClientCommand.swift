import ArgumentParser
import FlowStateClient

/// A command that calls a server: connects, calls, reports failures in the form and with the exit code
/// that the root command's help promises.
protocol ClientCommand: AsyncParsableCommand {
    var connection: ConnectionOptions { get }
    /// How often a call is repeated that fails for a reason that may pass.
    var retries: RetryPolicy { get }
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
            let client = try connection.client(retries: retries)
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

    var retries: RetryPolicy { .never }

    func exitStatus(of failure: Failure) -> ExitStatus { failure.status }
}
