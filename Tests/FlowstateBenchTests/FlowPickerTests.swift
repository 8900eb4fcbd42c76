import Glibc
import Testing

@testable import FlowstateBench

@Suite struct FlowPickerTests {
    @Test(arguments: [Distribution.uniform, .zipf], [1, 2, 3, 1_000])
    func everyFlowIsPicked(_ distribution: Distribution, _ flows: Int) {
        var generator = SeededGenerator(seed: 1)
        let picker = FlowPicker(flows, distribution)
        var counts = [Int](repeating: 0, count: flows)
        for _ in 0..<200 * flows { counts[picker.pick(using: &generator)] += 1 }
        #expect(counts.allSatisfy { $0 > 0 })
    }

    @Test func ranksFollowZipfsLaw() {
        var generator = SeededGenerator(seed: 1)
        let (ranks, draws) = (1_000, 400_000)
        let zipf = Zipf(ranks)
        var counts = [Double](repeating: 0, count: ranks + 1)
        for _ in 0..<draws { counts[zipf.rank(using: &generator)] += 1 }
        #expect(counts[0] == 0)
        let weights = (1...ranks).map { pow(Double($0), -Zipf.exponent) }
        let sum = weights.reduce(0, +)
        // Within six standard deviations of what is expected.
        for rank in [1, 2, 3, 10, 100] {
            let expected = Double(draws) * weights[rank - 1] / sum
            #expect(abs(counts[rank] - expected) < 6 * expected.squareRoot(), "rank \(rank)")
        }
        let tail = Double(draws) * weights[100...].reduce(0, +) / sum
        #expect(abs(counts[101...].reduce(0, +) - tail) < 6 * tail.squareRoot())
    }

    @Test func flowsOfNeighbouringRanksAreApart() {
        var generator = SeededGenerator(seed: 1)
        let picker = FlowPicker(1_000_000, .zipf)
        var counts: [Int: Int] = [:]
        for _ in 0..<20_000 { counts[picker.pick(using: &generator), default: 0] += 1 }
        let first = counts.sorted { $0.value > $1.value }.prefix(8).map(\.key).sorted()
        #expect(zip(first, first.dropFirst()).allSatisfy { $1 - $0 > 1_000 })
    }
}

@Suite struct ProcessorTimeTests {
    @Test func aProcessIsReadWhateverItsName() throws {
        let entry = try #require(ProcessEntry(7, stat: "7 (a) S 9) R 3 7 7 0 -1 4194304 1 0 0 0 250 50 20 30 20 0 1 0 5 6 7\n"))
        let second = Double(sysconf(CInt(_SC_CLK_TCK)))
        #expect(entry.parent == 3)
        #expect(entry.ownSeconds == 300 / second)
        #expect(entry.seconds == 350 / second)
    }

    @Test(arguments: ["", "7 (x", "7 (x) R", "7 (x) R parent 7 7 0 -1 4 1 0 0 0 250 50 20 30", "7 (x) R 3 7 7 0 -1 4 1 0 0 0 a b c d e"])
    func whatIsNoProcessIsNone(_ stat: String) { #expect(ProcessEntry(7, stat: stat) == nil) }

    @Test func whatAProcessStartedIsItsOwn() {
        func entry(_ process: pid_t, _ parent: pid_t) -> ProcessEntry? {
            ProcessEntry(process, stat: "\(process) (x) R \(parent) 0 0 0 0 0 0 0 0 0 1 1 1 1 0")
        }
        let entries = [entry(2, 1), entry(3, 2), entry(4, 9), entry(5, 6), entry(6, 5)].compactMap { $0 }
        let processes = Dictionary(uniqueKeysWithValues: entries.map { ($0.process, $0) })
        #expect(processes.values.filter { $0.descends(from: 1, in: processes) }.map(\.process).sorted() == [2, 3])
        #expect(processes[5]?.descends(from: 1, in: processes) == false)
    }

    @Test func thisProgramIsMeasured() {
        let start = ProcessorTime.now(server: getpid())
        #expect(start.client > 0 && start.server != nil && start.postgres == 0)
        let spent = ProcessorTime.now(server: getpid()) - start
        #expect(spent.client >= 0 && (spent.server ?? -1) >= 0)
        #expect(ProcessorTime.now(server: nil).server == nil)
        #expect(ProcessorTime.now(server: .max).server == nil)
    }
}
