import ArgumentParser
import Foundation

/// How often each flow is picked.
enum Distribution: String, ExpressibleByArgument, CaseIterable, Encodable, Sendable {
    case uniform, zipf
}

/// Picks the flow of a call.
struct FlowPicker: Sendable {
    private let flows: Int
    private let zipf: Zipf?

    /// - Parameter flows: none can be picked of fewer than one.
    init(_ flows: Int, _ distribution: Distribution) {
        self.flows = flows
        zipf = distribution == .zipf && flows > 1 ? Zipf(flows) : nil
    }

    /// Coprime to any number of flows below it, so that each rank has a flow of its own.
    private static let scatter = 2_654_435_761

    func pick(using generator: inout SeededGenerator) -> Int {
        guard let zipf else { return Int.random(in: 0..<max(flows, 1), using: &generator) }
        // Flows that are picked often do not lie beside each other in the database.
        return zipf.rank(using: &generator) * Self.scatter % flows
    }
}

/// Ranks from 1, where the rank k has a probability proportional to k^-1.05.
///
/// Rejection-inversion: W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions",
/// ACM TOMACS 6 (1996). It needs no table and hardly ever a second try.
struct Zipf: Sendable {
    /// pgbench, beside which this is measured, cannot go much nearer to 1.
    static let exponent = 1.05

    private let ranks: Double
    private let first, last, squeeze: Double

    init(_ ranks: Int) {
        self.ranks = Double(ranks)
        first = Self.integral(1.5) - 1
        last = Self.integral(Double(ranks) + 0.5)
        squeeze = 2 - Self.inverse(Self.integral(2.5) - pow(2, -Self.exponent))
    }

    /// The integral of x^-exponent, and the x at which it has a value.
    private static func integral(_ x: Double) -> Double { (pow(x, 1 - exponent) - 1) / (1 - exponent) }
    private static func inverse(_ value: Double) -> Double { pow(1 + value * (1 - exponent), 1 / (1 - exponent)) }

    func rank(using generator: inout SeededGenerator) -> Int {
        while true {
            let value = last + Double.random(in: 0..<1, using: &generator) * (first - last)
            let x = Self.inverse(value)
            let rank = min(max(x.rounded(), 1), ranks)
            if rank - x <= squeeze || value >= Self.integral(rank + 0.5) - pow(rank, -Self.exponent) { return Int(rank) }
        }
    }
}
