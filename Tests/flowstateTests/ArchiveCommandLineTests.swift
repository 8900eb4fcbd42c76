import Testing

@testable import flowstate

@Suite struct ArchiveCommandLineTests {
    @Test(arguments: [
        ["archive", "export"], ["archive", "export", "--out", ""], ["archive", "export", "a", "--out", "b"],
        ["archive", "export", "--out", "a", "--flow", "f", "--status", "s"],
        ["archive", "export", "--out", "a", "--flow", "f", "--flow", "f"], ["archive", "export", "--out", "a", "--label", "x"],
        ["archive", "import"], ["archive", "import", "a", "--on-conflict", "overwrite"], ["archive", "show"],
    ])
    func wrongUsageIsRefused(_ arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try RootCommand.parseAsRoot(arguments) }
        #expect(error.map { RootCommand.exitCode(for: $0).rawValue } == 64)
    }
}
