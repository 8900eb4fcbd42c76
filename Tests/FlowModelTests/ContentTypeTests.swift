import FlowModel
import Testing

struct ContentTypeTests {
    @Test(arguments: [
        "", "application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=\"utf-8\"",
        "application/vnd.flow+json", "application/problem+JSON ; a=b ;; c=\"d\\\"e\"", "application/json;",
    ]) func isJSON(_ text: String) throws {
        let type = try ContentType(parsing: text, limits: .defaults)
        #expect(type.isJSON && type.text == (text.isEmpty ? "application/json" : text))
    }

    @Test(arguments: [
        "application/octet-stream", "text/plain; charset=latin1", "application/jsonx", "text/json", "a/+json", "application/x-json", "*/*",
    ])
    func isOpaque(_ text: String) throws {
        #expect(try !ContentType(parsing: text, limits: .defaults).isJSON)
    }

    @Test(arguments: [
        "json", "application/", "/json", "application/json/x", "application /json", "application/json charset=utf-8",
        "application/json; charset", "application/json; charset=", "application/json; =x", "a/b; c=\"d", "a/b; c=\"\n\"", "a/b\r\n", "ä/b",
        " a/b", "a/b; c=d e", String(repeating: "a", count: 300) + "/b",
    ]) func isNoMediaType(_ text: String) {
        let error = #expect(throws: StateError.self) { try ContentType(parsing: text, limits: .defaults) }
        guard case .invalidArgument("content_type", _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }
}
