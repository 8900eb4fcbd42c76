extension String {
    private static let ellipsis = "…"

    /// The text itself, or the beginning of a longer one with `…` behind it: `limit` bytes of UTF-8 at most, never cut inside a character.
    /// Empty if there is not even room for the `…`.
    public func shortened(toBytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        let room = limit - Self.ellipsis.utf8.count
        guard room >= 0 else { return "" }
        var end = utf8.index(utf8.startIndex, offsetBy: room)
        // A byte of the form 10xxxxxx continues the character before it.
        while end > utf8.startIndex, utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return String(self[..<end]) + Self.ellipsis
    }
}
