/// What a content type says about the bytes under it.
enum MediaType {
    /// `application/json` (also when empty, which means it), or any type that ends in `+json` (RFC 6839 §3.1).
    static func isJSON(_ contentType: String) -> Bool {
        let type = contentType.prefix { $0 != ";" }.lowercased().filter { $0 != " " && $0 != "\t" }
        return type.isEmpty || type == "application/json" || type.hasSuffix("+json")
    }
}
