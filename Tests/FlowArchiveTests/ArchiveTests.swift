import FlowArchive
import Testing
import WireMessages

@Suite struct ArchiveTests {
    @Test(arguments: [1, 7, 1 << 16])
    func whatIsWrittenIsRead(_ piece: Int) throws {
        let bytes = try MemoryArchive.sample()
        let reader = try MemoryArchive.reader(bytes, piece: piece)
        #expect((reader.header.format, reader.header.formatVersion, reader.header.tenant) == ("flowstate-archive", 1, "acme"))
        var read: [String] = []
        while let item = try reader.next() {
            switch item {
            case .flow(let flow): read.append("flow \(flow.flowID) \(flow.version)")
            case .version(let version):
                #expect(version == MemoryArchive.version(version.info?.version ?? 0, version.state, checkpoints: version.checkpoints))
                read.append("version \(version.info?.version ?? 0) \(version.state.count) \(version.checkpoints.map(\.name))")
            case .write(let write):
                #expect(write == MemoryArchive.write)
                read.append("write")
            case .event(let event):
                #expect(event == MemoryArchive.event)
                read.append("event")
            }
        }
        #expect(
            read == [
                "flow a 2", #"version 1 3 ["first"]"#, "version 2 0 []", "write", "event", "flow é\u{0} 9", "version 7 256 []",
                "version 9 300000 []",
            ])
        #expect(try reader.next() == nil, "the end stays the end")
        let totals = reader.totals
        #expect((totals.flows, totals.versions, totals.checkpoints, totals.events, totals.stateBytes) == (2, 4, 1, 1, 300_259))
        #expect(totals.writes == 1)
    }

    @Test func anArchiveMayBeEmpty() throws {
        #expect(try MemoryArchive.readAll(try MemoryArchive.write { _ in }).isEmpty)
    }

    @Test func aStateOf16MiBAndItsSuccessorTakeLittleMoreThanOne() throws {
        var generator = SystemRandomNumberGenerator()
        let state = (0..<(16 << 17)).flatMap { _ in withUnsafeBytes(of: generator.next()) { Array($0) } }
        let successor = state + [1]
        let bytes = try MemoryArchive.write { writer in
            try writer.append(Flow(flowID: "a", version: 2))
            try writer.append(MemoryArchive.version(1, state))
            try writer.append(MemoryArchive.version(2, successor))
        }
        #expect(bytes.count < (17 << 20))
        let items = try MemoryArchive.readAll(bytes)
        guard case .version(let read)? = items.last else { return #expect(Bool(false), "no version at the end") }
        #expect(read.state == successor)
    }

    @Test(arguments: [0, 1, ArchiveFormat.partBytes, ArchiveFormat.partBytes + 1])
    func aLargeStateComesInParts(_ more: Int) throws {
        var state = [UInt8](repeating: 7, count: ArchiveFormat.wholeStateBytes + more)
        state[state.count - 1] = 8
        let versions = [MemoryArchive.version(1, state), MemoryArchive.version(2, [1])]
        let bytes = try MemoryArchive.write { writer in
            try writer.append(Flow(flowID: "a", version: 2))
            for version in versions { try writer.append(version) }
        }
        let read = try MemoryArchive.readAll(bytes).compactMap { if case .version(let version) = $0 { version } else { nil } }
        #expect(read == versions)
    }

    @Test func aStateWithAnotherDigestIsNotWritten() throws {
        var version = MemoryArchive.version(1, [1])
        version.state = [2]
        #expect(throws: ArchiveError.damaged("the state of version 1 has another digest")) {
            try MemoryArchive.write { writer in
                try writer.append(Flow(flowID: "a", version: 1))
                try writer.append(version)
            }
        }
    }

    @Test func aRecordThatNoReaderTakesIsNotWritten() throws {
        #expect(throws: ArchiveError.self) {
            try MemoryArchive.write {
                let value = [UInt8](repeating: 0, count: ArchiveFormat.recordBytes)
                try $0.append(StoredWrite(write: PendingWrite(taskID: "t", value: value), versionLabel: "v"))
            }
        }
    }
}
