import ArgumentParser

/// How much of a list to show.
struct PagingOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: ArgumentHelp("Entries to show at most. (default: 50)", valueName: "n"))
    var limit: Int?

    @Flag(help: "Show every entry.")
    var all = false

    @Option(parsing: .unconditional, help: ArgumentHelp("Continue where an earlier list ended: its next_page_token.", valueName: "token"))
    var pageToken = ""

    /// The most entries that a server returns in one page.
    private static let largestPage = 1_000

    mutating func validate() throws {
        if all, limit != nil { throw ValidationError("Give --limit or --all, not both.") }
        if let limit, limit < 1 { throw ValidationError("--limit must be at least 1.") }
    }

    /// Fetches pages until there are enough entries or no more pages.
    ///
    /// - Parameters:
    ///   - fetch: Requests a page, given its size and token; returns its entries and the next token.
    ///   - show: Takes each page as it arrives.
    /// - Returns: The token to continue with; empty when the list is complete.
    func pages<Entry>(
        fetch: (_ size: Int32, _ token: String) async throws -> (entries: [Entry], next: String),
        show: ([Entry]) throws -> Void
    ) async throws -> String {
        var remaining = all ? Int.max : limit ?? 50
        var token = pageToken
        repeat {
            let page = try await fetch(Int32(min(remaining, Self.largestPage)), token)
            try show(page.entries)
            if !page.next.isEmpty, page.next == token {
                throw LocalFailure("the server returned the same page again", status: .failure)
            }
            token = page.next
            remaining -= page.entries.count
        } while remaining > 0 && !token.isEmpty
        return token
    }
}
