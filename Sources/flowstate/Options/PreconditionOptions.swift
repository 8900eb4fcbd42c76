import ArgumentParser

/// Which version a flow must be at for a change to be made.
struct PreconditionOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The version the flow must be at; otherwise nothing changes (exit code 2).", valueName: "n"))
    var expectedVersion: Int64?

    @Flag(help: "Whatever version the flow is at. This is the default.")
    var anyVersion = false

    mutating func validate() throws {
        if anyVersion, expectedVersion != nil {
            throw ValidationError("Give --expected-version or --any-version, not both.")
        }
    }
}
