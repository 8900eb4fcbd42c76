import Crypto

/// The header by which a receiver verifies who sent a notification, and when: `t=<seconds>,v1=<hex>`, where `v1` is the HMAC-SHA256 (RFC
/// 2104) of `<seconds>.<body>` with the secret as key. The time is signed too, so that a receiver can refuse a copy of an old notification.
enum WebhookSignature {
    static func header(_ body: [UInt8], at seconds: Int64, secret: [UInt8]) -> String {
        var hmac = HMAC<SHA256>(key: SymmetricKey(data: secret))
        hmac.update(data: Array("\(seconds).".utf8))
        hmac.update(data: body)
        return "t=\(seconds),v1=\(hex(hmac.finalize()))"
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
