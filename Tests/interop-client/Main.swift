import GRPC

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Runs gRPC's interoperability cases (interop-test-descriptions.md) against a server: interop-client HOST:PORT CASE…
/// Without a case it lists them. Ends with 1 when one fails.
@main
struct InteropClient {
    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        guard let first = arguments.first, let endpoint = Endpoint(first) else {
            for name in Cases.all.keys.sorted() { print(name) }
            return
        }
        var hasFailed = false
        for name in arguments.dropFirst() {
            let cases = Cases(endpoint)
            do {
                guard let run = Cases.all[name] else { throw Failure("there is no such case") }
                try await run(cases)()
                print("\(name): passed")
            } catch {
                hasFailed = true
                print("\(name): failed: \(error)")
            }
            await cases.close()
        }
        fflush(nil)
        if hasFailed { exit(1) }
    }
}

/// What a case found wrong.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
