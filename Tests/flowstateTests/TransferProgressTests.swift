import Testing

@testable import flowstate

struct TransferProgressTests {
    @Test(arguments: [(0, 0), (1, 0), (50, 15), (99, 29), (100, 30), (200, 30), (-1, 0)] as [(Int64, Int)])
    func theBarShowsThePart(_ transferred: Int64, _ filled: Int) {
        let bar = TransferProgress.bar(transferred, of: 100)
        #expect(bar == "[" + String(repeating: "#", count: filled) + String(repeating: " ", count: 30 - filled) + "]")
        #expect(TransferProgress.bar(0, of: 0).count == bar.count)
    }

    @Test func theTextSaysHowFastItIs() {
        #expect(TransferProgress.text(3 << 20, of: 4 << 20, after: 2) == "75 %, 3.0 of 4.0 MiB, 1.5 MiB/s")
        #expect(TransferProgress.text(0, of: 0, after: 0) == "0 %, 0.0 of 0.0 MiB, 0.0 MiB/s")
    }
}
