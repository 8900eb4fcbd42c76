import Foundation
import MessageJSON
import Protobuf
import TestSupport
import Testing
import WireMessages

/// What is generated is what the proto files say, and other implementations read it the same way.
@Suite struct ContractTests {
    @Test func servicesAreListedWithTheirStreams() throws {
        #expect(
            Set(FlowStateProto.services.map(\.name)) == [
                "flowstate.v1.FlowAdminService", "flowstate.v1.FlowDefinitionService", "flowstate.v1.FlowLeaseService",
                "flowstate.v1.FlowLifecycleService", "flowstate.v1.FlowRecoveryService", "flowstate.v1.FlowStateService",
            ])
        let state = try #require(FlowStateProto.services.first { $0.name == "flowstate.v1.FlowStateService" })
        let streaming = state.methods.filter { $0.clientStreaming || $0.serverStreaming }.map(\.name)
        #expect(streaming == ["UploadState", "DownloadState", "WatchFlows"])
        #expect(state.methods.count == 23)
    }

    @Test(.enabled(if: Tools.canGenerate, "needs protoc, python3 and protoc-c 1.4.1, which the committed C was made with"))
    func generatingAgainChangesNothing() throws {
        let out = FileManager.default.temporaryDirectory.appending(path: "flowstate-\(UUID())")
        defer { try? FileManager.default.removeItem(at: out) }
        try Tools.run("/bin/sh", [Tools.root.appending(path: "proto/generate.sh").path, out.path])
        let folders = [
            "C/CWellKnown", "C/CGRPCProto", "C/CFlowStateProto", "Protobuf/Generated", "WireMessages/Generated", "GRPC/Messages",
            "FlowStateClient/Generated",
        ]
        for folder in folders {
            let committed = Tools.root.appending(path: "Sources/\(folder)").path
            #expect(throws: Never.self, "\(folder) is not what the protos say: run make proto") {
                try Tools.run("/usr/bin/diff", ["-r", committed, out.appending(path: folder).path])
            }
        }
    }

    @Test(.enabled(if: Tools.python != nil, "needs .venv with grpcio-tools; make deps makes it"))
    func pythonReadsAndWritesTheSameBytes() throws {
        let seed = UInt64.random(in: .min ... .max)
        print("seed \(seed)")
        var wire = RandomWire(random: SeededGenerator(seed: seed))
        var lines: [String] = []
        for type in FlowStateProto.messages {
            for _ in 0..<20 {
                let bytes = try type.decode(wire.message(type.descriptor)).encoded()
                lines.append(type.fullName + " " + bytes.map { String(format: "%02x", $0) }.joined())
            }
        }
        let answer = try Tools.runPython(Self.echo, input: lines.joined(separator: "\n"))
        #expect(answer == lines.joined(separator: "\n") + "\n", "seed \(seed)")
    }

    /// In each form that the writer has: they are for readers, which take all of them.
    @Test(.enabled(if: Tools.python != nil, "needs .venv with grpcio-tools; make deps makes it"))
    func pythonReadsTheJSONOfEveryMessage() throws {
        let seed = UInt64.random(in: .min ... .max)
        print("seed \(seed)")
        var wire = RandomWire(random: SeededGenerator(seed: seed), isForJSON: true)
        var canonical = ProtoJSON()
        canonical.types = FlowStateProto.messages
        var full = canonical
        (full.keepsNames, full.writesDefaults, full.writesNumbers, full.writesSortableTimes) = (true, true, true, true)
        var lines: [String] = []
        for type in FlowStateProto.messages {
            for round in 0..<20 {
                let message = try type.decode(round == 0 ? [] : wire.message(type.descriptor))
                let bytes = message.encoded().map { String(format: "%02x", $0) }.joined()
                for json in [canonical.text(of: message), full.text(of: message)] { lines.append("\(type.fullName) \(bytes) \(json)") }
            }
        }
        let answer = try Tools.runPython(Self.parse, input: lines.joined(separator: "\n"))
        #expect(answer == "\(lines.count)\n", "seed \(seed)")
    }

    @Test(.enabled(if: Tools.python != nil, "needs .venv with grpcio-tools; make deps makes it"))
    func fieldsMeanTheSameInPython() throws {
        let save = SaveStateRequest(
            flowID: "é\0", change: .mergePatch([0x7B, 0x7D]), precondition: .expectedVersion(0), progress: 12.5,
            labels: ["a": "b"], checkpoint: CheckpointSpec(name: "c"), writes: [PendingWrite(index: -1)])
        let hex = save.encoded().map { String(format: "%02x", $0) }.joined()
        let answer = try Tools.runPython(Self.inspect, input: hex)
        #expect(answer == "ok\n")
    }

    @Test(.enabled(if: Tools.python != nil, "needs .venv with grpcio-tools; make deps makes it"))
    func theDescriptorSetHoldsEveryFile() throws {
        let set = FlowStateProto.fileDescriptorSet.map { String(format: "%02x", $0) }.joined()
        let answer = try Tools.runPython(Self.listFiles, input: set)
        let ours = try FileManager.default.contentsOfDirectory(atPath: Tools.root.appending(path: "proto/flowstate/v1").path)
            .map { "flowstate/v1/" + $0 }.sorted()
        #expect(answer.split(separator: "\n").map(String.init).filter { $0.hasPrefix("flowstate/") }.sorted() == ours)
    }

    /// Compiles the public protos with the stock compiler, as every client does.
    private static let prelude = """
        import glob, os, sys, tempfile
        from grpc_tools import protoc
        root = sys.argv[1]
        out = tempfile.TemporaryDirectory()
        files = sorted(os.path.relpath(f, root) for f in glob.glob(root + "/flowstate/v1/*.proto"))
        import grpc_tools
        known = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
        assert protoc.main(["protoc", "-I" + root, "-I" + known, "--python_out=" + out.name, *files]) == 0
        sys.path.insert(0, out.name)
        import importlib
        modules = [importlib.import_module(f[:-6].replace("/", ".") + "_pb2") for f in files]
        def cls(name): return next(getattr(m, name) for m in modules if hasattr(m, name))
        data = sys.stdin.read()

        """

    private static let echo =
        prelude + """
            for line in data.split("\\n"):
                name, hexed = line.split(" ")
                message = cls(name.split(".")[-1]).FromString(bytes.fromhex(hexed))
                message.DiscardUnknownFields()
                print(name, message.SerializeToString(deterministic=True).hex())
            """

    private static let parse =
        prelude + """
            import json
            from google.protobuf import json_format
            lines = data.split("\\n")
            for number, line in enumerate(lines):
                name, hexed, text = line.split(" ", 2)
                type = cls(name.split(".")[-1])
                message = type.FromString(bytes.fromhex(hexed))
                assert json_format.Parse(text, type()) == message, line
                if number % 2 == 0: assert json.loads(text) == json_format.MessageToDict(message), line
            print(len(lines))
            """

    private static let inspect =
        prelude + """
            m = cls("SaveStateRequest").FromString(bytes.fromhex(data))
            assert m.flow_id == "\\u00e9\\0" and m.merge_patch == b"{}" and m.WhichOneof("change") == "merge_patch"
            assert m.WhichOneof("precondition") == "expected_version" and m.expected_version == 0
            assert m.WhichOneof("progress_value") == "progress" and m.progress == 12.5
            assert dict(m.labels) == {"a": "b"} and m.checkpoint.name == "c" and m.writes[0].index == -1
            print("ok")
            """

    private static let listFiles =
        prelude + """
            from google.protobuf import descriptor_pb2
            for f in descriptor_pb2.FileDescriptorSet.FromString(bytes.fromhex(data)).file: print(f.name)
            """
}
