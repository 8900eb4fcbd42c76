import ArgumentParser
import FlowModel
import Foundation
import JSON

/// Measures validation against a definition, without a server.
struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Measure the validation of a unified_discovery state at each depth. Needs no server.")

    @Option(help: ArgumentHelp("Size of the state.", valueName: "bytes"))
    var stateSize = 100_000
    @Option(help: "Validations at each depth; a tenth as many warm up before.")
    var runs = 2_000
    @Option(help: ArgumentHelp("Write the report as JSON; '-' is standard output.", valueName: "file"))
    var json: String?

    func validate() throws {
        guard (DiscoveryText.smallest...(64 << 20)).contains(stateSize) else {
            throw ValidationError("--state-size must be from \(DiscoveryText.smallest) to \(64 << 20).")
        }
        guard (1...1_000_000).contains(runs) else { throw ValidationError("--runs must be from 1 to 1000000.") }
    }

    func run() throws {
        let type = BuiltInDefinitions.unifiedDiscovery
        let document = Array((BuiltInDefinitions.documents[type] ?? "").utf8)
        let limits = Limits()
        let definition = try DefinitionReader.read(document, limits: limits, budget: WorkBudget(steps: limits.work))
        let validator = StateValidator(definition, limits: limits)
        var generator = SeededGenerator(seed: 1)
        let state = DiscoveryText.make(size: stateSize, using: &generator)
        var depths: [String: ValidationFigures.Times] = [:]
        for depth in ValidationDepth.allCases {
            let times = try (0..<runs + runs / 10).map { _ in try Self.microseconds(validator, state, depth) }
            depths[depth.rawValue] = ValidationFigures.Times(times.dropFirst(runs / 10).sorted())
        }
        let figures = ValidationFigures(flowType: type, stateSize: state.count, runs: runs, depths: depths)
        try Console.write(figures, table: figures.table, json: json)
    }

    private static func microseconds(_ validator: StateValidator, _ state: [UInt8], _ depth: ValidationDepth) throws -> Double {
        let begin = ContinuousClock.now
        let report = try validator.validate(state, depth: depth, budget: WorkBudget(steps: Limits().work))
        let time = ContinuousClock.now - begin
        if let violation = report.violations.first { throw BenchError.notValid("\(violation.path): \(violation.message)") }
        return time / .microseconds(1)
    }
}

/// The report of `validate`.
struct ValidationFigures: Encodable {
    struct Times: Encodable {
        let medianUs, p99Us, maxUs: Double

        /// - Parameter times: Ascending, and not empty.
        init(_ times: [Double]) {
            medianUs = times[times.count / 2]
            p99Us = times[min(times.count * 99 / 100, times.count - 1)]
            maxUs = times[times.count - 1]
        }
    }

    let flowType: String
    let stateSize, runs: Int
    /// By the name of the depth.
    let depths: [String: Times]

    var table: String {
        let rows = depths.sorted { $0.key < $1.key }.map { depth, times in
            [depth] + [times.medianUs, times.p99Us, times.maxUs].map { String(format: "%.1f", $0) }
        }
        let lines = Report.align([["depth", "median µs", "p99 µs", "max µs"]] + rows)
        let heading = "validate: a state of \(stateSize) bytes against \(flowType), \(runs) times at each depth"
        return ([heading, ""] + lines).map { $0 + "\n" }.joined()
    }
}
