import Testing

@testable import FlowServer

@Suite struct WebhookTests {
    /// The HMAC by Python: hmac.new(b"secret", b'1700000000.{"id":"n"}', "sha256").hexdigest().
    @Test func aSignatureIsThatOfTheTimeAndTheBody() {
        let body = Array(#"{"id":"n"}"#.utf8)
        let header = WebhookSignature.header(body, at: 1_700_000_000, secret: Array("secret".utf8))
        #expect(header == "t=1700000000,v1=341f758d79118642e30ba5b82c5d80bfcb2a4d6972ee30475ad0ba180f58aea1")
        #expect(WebhookSignature.header(body, at: 1_700_000_001, secret: Array("secret".utf8)) != header)
        #expect(WebhookSignature.header(body, at: 1_700_000_000, secret: Array("secret2".utf8)) != header)
    }

    @Test(arguments: [
        ("http://localhost:9/hook", "s", true), ("HTTPS://example.com", "s", true), ("http://[::1]:80/", "s", true),
        ("ftp://example.com", "s", false), ("http://", "s", false), ("/hook", "s", false), ("", "s", false), ("http://a b", "s", false),
        ("http://user:password@example.com", "s", false), ("http://example.com", "", false),
    ])
    func onlyWhatCanBeCalledIsTaken(url: String, secret: String, isTaken: Bool) {
        do throws(WebhookOptions.Fault) {
            _ = try WebhookOptions(url: url, secret: secret)
            #expect(isTaken, "\(url)")
        } catch {
            #expect(!isTaken, "\(url): \(error)")
            #expect(!"\(error)".contains("password@"), "\(error)")
        }
    }
}
