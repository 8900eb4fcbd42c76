import FlowArchive
import Testing
import WireMessages

/// Whatever bytes come: an error that says what is wrong, or an archive that is whole.
@Suite struct HostileArchiveTests {
    @Test func everyTruncationIsNoticed() throws {
        let bytes = try MemoryArchive.sample()
        for count in 0..<bytes.count {
            #expect(throws: ArchiveError.truncated, "\(count) bytes") { try MemoryArchive.readAll(Array(bytes[..<count])) }
        }
    }

    /// Some bits of zstd's may be others without any consequence, such as those of the window's size; what is read is the same then.
    @Test func noByteCanBeAnother() throws {
        let bytes = try MemoryArchive.sample()
        let whole = "\(try MemoryArchive.readAll(bytes))"
        let seed = UInt64.random(in: .min ... .max)
        var random = SplitMix64(state: seed)
        for place in bytes.indices {
            var damaged = bytes
            damaged[place] ^= UInt8.random(in: 1...255, using: &random)
            do {
                let isSame = "\(try MemoryArchive.readAll(damaged))" == whole
                #expect(isSame, "byte \(place), seed \(seed)")
            } catch {
                #expect(error is ArchiveError)
            }
        }
    }

    /// Beneath the compression, whose checksum finds nearly everything: what is decoded and counted.
    @Test func damageThatWasCompressedIsNoticed() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SplitMix64(state: seed)
        let content = MemoryArchive.framed([
            MemoryArchive.header(), .flow(Flow(flowID: "a", version: 3)), .version(MemoryArchive.version(1, [1, 2, 3])),
            .version(MemoryArchive.version(3, [4])), .event(MemoryArchive.event),
        ])
        var trailer = ArchiveTrailer(flows: 1, versions: 2, events: 1, stateBytes: 4)
        trailer.digest = MemoryArchive.digest(content)
        let whole = content + MemoryArchive.framed([.trailer(trailer)])
        try MemoryArchive.readAll(MemoryArchive.compress(whole))
        for round in 0..<5_000 {
            var damaged = whole
            for _ in 0...Int.random(in: 0...3, using: &random) { damage(&damaged, &random) }
            guard damaged != whole else { continue }
            #expect(throws: ArchiveError.self, "round \(round), seed \(seed)") {
                _ = try MemoryArchive.readAll(MemoryArchive.compress(damaged))
            }
        }
    }

    private func damage(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
        guard !bytes.isEmpty else { return }
        let place = Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        default: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...40, using: &random)))
        }
    }

    @Test func whatIsNoArchiveIsCalledSo() {
        for bytes in [
            Array("PK\u{3}\u{4} is a zip file".utf8), MemoryArchive.compress(Array("some text".utf8)), MemoryArchive.compress([0]),
        ] {
            #expect(throws: ArchiveError.notAnArchive) { try MemoryArchive.reader(bytes) }
        }
        #expect(throws: ArchiveError.truncated) { try MemoryArchive.reader([]) }
        #expect(throws: ArchiveError.unknownFormat(version: 2)) {
            try MemoryArchive.reader(MemoryArchive.sealed([MemoryArchive.header(version: 2)]))
        }
    }

    /// A few kilobytes that claim to be, or become, gigabytes.
    @Test func bombsAreRefused() throws {
        let header = MemoryArchive.framed([MemoryArchive.header()])
        for length in [UInt64(ArchiveFormat.recordBytes) + 1, 1 << 34] {
            #expect(throws: ArchiveError.recordTooLarge(bytes: length)) {
                try MemoryArchive.readAll(MemoryArchive.compress(header + MemoryArchive.varint(length) + [0, 0]))
            }
        }
        #expect(throws: ArchiveError.self) {
            try MemoryArchive.readAll(MemoryArchive.compress(header + [UInt8](repeating: 0xFF, count: 20)))
        }
        // As long as a record may be, and never there.
        #expect(throws: ArchiveError.damaged("its last record is missing")) {
            try MemoryArchive.readAll(MemoryArchive.compress(header + MemoryArchive.varint(UInt64(ArchiveFormat.recordBytes))))
        }
        // Zeros without an end are records without a kind.
        #expect(throws: ArchiveError.damaged("a record is of an unknown kind")) {
            try MemoryArchive.readAll(MemoryArchive.compress(header + [UInt8](repeating: 0, count: 100 << 20)))
        }
        // Empty submessages take thirty times their bytes when they are decoded.
        let submessages = [UInt8]((0..<(16 << 20)).flatMap { _ in [0x1A, 0] as [UInt8] })
        let version = [0x1A] + MemoryArchive.varint(UInt64(submessages.count)) + submessages
        #expect(throws: ArchiveError.self) {
            try MemoryArchive.readAll(MemoryArchive.compress(header + MemoryArchive.varint(UInt64(version.count)) + version))
        }
    }

    /// Archives that are sealed as they should be, and say what cannot be.
    @Test(
        arguments: [
            [MemoryArchive.header()], [nil], [.version(MemoryArchive.version(1, []))], [.event(MemoryArchive.event)],
            [.flow(Flow(version: 1))], [.flow(Flow(flowID: "a"))],
            [.flow(Flow(flowID: "a", version: 2)), .version(MemoryArchive.version(3, []))],
            [.flow(Flow(flowID: "a", version: 2)), .version(MemoryArchive.version(2, [])), .version(MemoryArchive.version(2, []))],
            [.flow(Flow(flowID: "a", version: 2)), .version(MemoryArchive.version(0, []))],
            [.flow(Flow(flowID: "a", version: 2)), .version(ArchivedVersion())],
            [.flow(Flow(flowID: "a", version: 2)), .event(MemoryArchive.event), .version(MemoryArchive.version(2, []))],
            [.flow(Flow(flowID: "a", version: 2)), .write(MemoryArchive.write), .version(MemoryArchive.version(2, []))],
            [.flow(Flow(flowID: "a", version: 2)), .event(MemoryArchive.event), .write(MemoryArchive.write)],
            [.write(MemoryArchive.write)], [.flow(Flow(flowID: "a", version: 2)), .write(StoredWrite())],
            [.flow(Flow(flowID: "a", version: 2))],
            [.statePart([1])], [.flow(Flow(flowID: "a", version: 1)), .statePart([1]), .flow(Flow(flowID: "b", version: 1))],
            [.flow(Flow(flowID: "a", version: 1)), .statePart([]), .version(MemoryArchive.version(1, []))],
            [.flow(Flow(flowID: "a", version: 1)), .statePart([1]), .version(MemoryArchive.version(1, [2]))],
        ] as [[ArchiveRecord.Record?]])
    func whatCannotBeIsRefused(_ records: [ArchiveRecord.Record?]) {
        let bytes = MemoryArchive.sealed([MemoryArchive.header()] + records)
        #expect { try MemoryArchive.readAll(bytes) } throws: { error in
            if case .damaged? = error as? ArchiveError { true } else { false }
        }
    }

    @Test func nothingMayFollow() throws {
        let bytes = try MemoryArchive.sample()
        #expect(throws: ArchiveError.damaged("something follows its end")) { try MemoryArchive.readAll(bytes + [0]) }
        #expect(throws: ArchiveError.damaged("something follows its end")) { try MemoryArchive.readAll(bytes + bytes) }
        let header = MemoryArchive.framed([MemoryArchive.header()])
        let trailer = MemoryArchive.framed([.trailer(ArchiveTrailer(digest: MemoryArchive.digest(header)))])
        try MemoryArchive.readAll(MemoryArchive.compress(header + trailer))
        #expect(throws: ArchiveError.damaged("something follows its last record")) {
            try MemoryArchive.readAll(MemoryArchive.compress(header + trailer + trailer))
        }
    }
}

/// The same seed gives the same run on every machine.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
