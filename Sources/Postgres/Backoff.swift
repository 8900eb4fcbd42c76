/// Pauses between attempts: doubled each time up to a ceiling, each drawn from the upper half, so that many clients do not return at once.
package struct Backoff {
    private let first: Duration
    private let ceiling: Duration
    private var current: Duration

    package init(first: Duration = .milliseconds(50), ceiling: Duration = .seconds(1)) {
        self.first = first
        self.ceiling = ceiling
        current = first
    }

    mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
        defer { current = min(current * 2, ceiling) }
        return current * Double.random(in: 0.5...1, using: &generator)
    }

    package mutating func next() -> Duration {
        var generator = SystemRandomNumberGenerator()
        return next(using: &generator)
    }

    package mutating func reset() { current = first }
}
