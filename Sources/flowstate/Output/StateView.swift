/// A state as a terminal shows it.
enum StateView {
    /// JSON indented, other text as it is, both with escapes for what a terminal would act on; ends with a line feed.
    /// - Throws: `LocalFailure` when the state is not text.
    static func text(_ state: [UInt8], contentType: String) throws -> String {
        if MediaType.isJSON(contentType), let json = JSONLayout.format(state, .indented) { return json + "\n" }
        guard let text = String(validating: state, as: UTF8.self) else {
            let type = contentType.isEmpty ? "of an unknown type" : TerminalText.line(contentType)
            throw LocalFailure(
                "the state is not text (\(state.count) bytes, \(type)); redirect it into a file, or use --raw",
                status: .failure)
        }
        let shown = TerminalText.lines(text)
        return shown.isEmpty || shown.hasSuffix("\n") ? shown : shown + "\n"
    }
}
