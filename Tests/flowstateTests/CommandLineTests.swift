import Testing

@testable import flowstate

@Suite struct CommandLineTests {
    @Test func labelsSplitAtTheFirstEqualsSign() {
        #expect(LabelArgument(argument: "a=b=c")?.value == "b=c")
        #expect(LabelArgument(argument: "a=")?.value == "")
        #expect(LabelArgument(argument: "=b") == nil)
        #expect(LabelArgument(argument: "a") == nil)
    }

    @Test(arguments: [
        ["flow", "list", "--label", "a=1", "--label", "a=2"], ["flow", "list", "--all", "--limit", "3"],
        ["flow", "list", "--limit", "0"], ["flow", "list", "--timeout", "0"], ["flow", "list", "--timeout", "nan"],
        ["flow", "list", "--endpoint", "https://x"], ["flow", "list", "--tenant", "a\nb"],
        ["flow", "list", "--created-after", "yesterday"], ["flow", "load"], ["flow", "load", "--version", "3"],
        ["flow", "load", "x", "--version", "3", "--label", "l"], ["flow", "load", "x", "--info", "--raw"],
        ["flow", "save", "x", "-", "--file", "f"], ["flow", "save", "x", "--file", "f", "--state-text", "1"],
        ["flow", "save", "x", "-", "--expected-version", "1", "--any-version"],
        ["flow", "save", "x", "-", "--checkpoint-description", "d"], ["flow", "delete"], ["checkpoint", "restore", "x"],
        ["nothing"],
    ])
    func wrongUsageIsRefused(_ arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try RootCommand.parseAsRoot(arguments) }
        #expect(error.map { RootCommand.exitCode(for: $0).rawValue } == 64)
    }

    @Test func aDashIsStandardInput() throws {
        let positional = try #require(try RootCommand.parseAsRoot(["flow", "save", "x", "-"]) as? FlowSaveCommand)
        #expect(positional.source == "-")
        let option = try #require(try RootCommand.parseAsRoot(["flow", "create", "--state", "-"]) as? FlowCreateCommand)
        #expect(option.input.file == "-")
    }

    @Test func exitCodesSayWhatAScriptCanDo() {
        #expect(ExitStatus(.aborted, reason: "VERSION_CONFLICT") == .conflict)
        #expect(ExitStatus(.alreadyExists, reason: "FLOW_ALREADY_EXISTS") == .conflict)
        #expect(ExitStatus(.notFound, reason: nil) == .notFound)
        #expect(ExitStatus(.invalidArgument, reason: "STATE_INVALID") == .invalidInput)
        #expect(ExitStatus(.failedPrecondition, reason: nil) == .invalidInput)
        #expect(ExitStatus(.resourceExhausted, reason: "STATE_TOO_LARGE") == .invalidInput)
        #expect(ExitStatus(.resourceExhausted, reason: "OVERLOADED") == .unavailable)
        #expect(ExitStatus(.unavailable, reason: nil) == .unavailable)
        #expect(ExitStatus(.deadlineExceeded, reason: nil) == .unavailable)
        #expect(ExitStatus(.internal, reason: nil) == .failure)
    }

    @Test func failuresNameTheirReason() {
        var failure = Failure("no\nflow", status: .notFound)
        #expect(failure.text == "flowstate: no\\nflow")
        failure.code = "NOT_FOUND"
        #expect(failure.text == "flowstate: no\\nflow [NOT_FOUND]")
        failure.reason = "FLOW_NOT_FOUND"
        failure.versions = (3, 4)
        failure.retryAfter = .milliseconds(1_500)
        #expect(failure.text == "flowstate: no\\nflow [FLOW_NOT_FOUND]")
        #expect(
            failure.record.json
                == #"{"message":"no\nflow","code":"NOT_FOUND","reason":"FLOW_NOT_FOUND","exit_code":3,"#
                + #""expected_version":3,"actual_version":4,"retry_after_seconds":1.5}"#)
    }
}

@Suite struct PagingTests {
    /// Lists 0 ..< `count`, at most `largest` a page; the token is where to go on.
    private func list(_ arguments: [String], count: Int, largest: Int = 1_000) async throws -> (shown: [Int], next: String, sizes: [Int32])
    {
        var shown: [Int] = []
        var sizes: [Int32] = []
        let next = try await PagingOptions.parse(arguments).pages { size, token in
            sizes.append(size)
            let start = Int(token) ?? 0
            let end = min(start + min(Int(size), largest), count)
            return (Array(start..<end), end < count ? String(end) : "")
        } show: {
            shown += $0
        }
        return (shown, next, sizes)
    }

    @Test func stopsAtTheLimit() async throws {
        let byDefault = try await list([], count: 60)
        #expect(byDefault.shown.count == 50)
        #expect(byDefault.next == "50")
        let long = try await list(["--limit", "2500"], count: 3_000)
        #expect(long.shown == Array(0..<2_500))
        #expect(long.sizes == [1_000, 1_000, 500])
    }

    @Test func goesOnWhenPagesAreSmallerThanAskedFor() async throws {
        let result = try await list(["--limit", "25"], count: 100, largest: 10)
        #expect(result.shown == Array(0..<25))
        #expect(result.sizes == [25, 15, 5])
    }

    @Test func showsAllAndContinues() async throws {
        #expect(try await list(["--all"], count: 2_345).shown == Array(0..<2_345))
        #expect(try await list(["--all"], count: 0).next == "")
        #expect(try await list(["--page-token", "90"], count: 100).shown == Array(90..<100))
    }

    @Test func aPageThatRepeatsIsAnError() async {
        await #expect(throws: LocalFailure.self) {
            _ = try await PagingOptions.parse(["--all"]).pages { _, _ in
                ([1], "same")
            } show: { _ in
            }
        }
    }
}
