/// Pauses between attempts: from 50 ms to 5 s, each twice as long as the one before, give or take a fifth, so that many clients do not come
/// back at the same moment.
struct RetryBackoff {
    private var milliseconds = 50.0

    static let longest = 5_000.0

    /// - Parameter delay: what the server asks for.
    mutating func next(atLeast delay: Duration?) -> Duration {
        let pause = Duration.milliseconds(milliseconds * Double.random(in: 0.8...1.2))
        milliseconds = min(milliseconds * 2, Self.longest)
        return max(pause, delay ?? .zero)
    }
}
