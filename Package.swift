// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
]

/// A Swift room; its folder is `Sources/<name>`.
func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], data: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: data, swiftSettings: strict)
}

func system(_ name: String, pkgConfig: String, apt package: String) -> Target {
    .systemLibrary(name: name, path: "Sources/C/\(name)", pkgConfig: pkgConfig, providers: [.apt([package])])
}

/// C or C++ of our own; its folder is `Sources/C/<name>`.
func c(
    _ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = [], linkerSettings: [LinkerSetting] = []
) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/C/\(name)", exclude: exclude, linkerSettings: linkerSettings)
}

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioExtras: Target.Dependency = .product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let yaml: Target.Dependency = .product(name: "Yams", package: "Yams")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let histogram: Target.Dependency = .product(name: "Histogram", package: "hdrhistogram-swift")

let package = Package(
    name: "flowstate",
    products: [
        .executable(name: "flowstate", targets: ["flowstate"]),
        .executable(name: "flowstate-bench", targets: ["FlowstateBench"]),
        .library(name: "FlowStateClient", targets: ["FlowStateClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", exact: "1.0.2"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", exact: "0.2.0"),
    ],
    targets: [
        // C libraries and generated C
        .systemLibrary(name: "CLinux", path: "Sources/C/CLinux"),
        system("CNGHTTP2", pkgConfig: "libnghttp2", apt: "libnghttp2-dev"),
        system("CLibPQ", pkgConfig: "libpq", apt: "libpq-dev"),
        system("CProtobufC", pkgConfig: "libprotobuf-c", apt: "libprotobuf-c-dev"),
        system("CXXHash", pkgConfig: "libxxhash", apt: "libxxhash-dev"),
        system("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
        system("CZstd", pkgConfig: "libzstd", apt: "libzstd-dev"),
        c("CJSON"),
        c("CJemalloc", linkerSettings: [.linkedLibrary("jemalloc")]),
        c("CRE2", linkerSettings: [.linkedLibrary("re2")]),
        c("CWellKnown", ["CProtobufC"]),
        c("CGRPCProto", ["CWellKnown", "CProtobufC"], exclude: ["descriptor_set.binpb"]),
        c("CFlowStateProto", ["CWellKnown", "CProtobufC"], exclude: ["descriptor_set.binpb"]),

        // Rooms
        room("JSON", ["CJSON", "CRE2"]),
        room("FlowModel", ["JSON"]),
        room("Resources", ["CLinux", deque]),
        room("HTTP2", ["CNGHTTP2", nioCore]),
        room("Protobuf", ["CProtobufC", "CWellKnown"]),
        room("MessageJSON", ["Protobuf", "JSON"]),
        room("GRPC", ["HTTP2", "Protobuf", "CGRPCProto", "Compression", "Resources", nioCore, nioPosix, nioExtras, logging]),
        room("WireMessages", ["Protobuf", "CFlowStateProto"]),
        room("Postgres", ["CLibPQ", "Resources", logging]),
        room("PostgresCluster", ["Postgres", logging, subprocess, systemPackage]),
        room("Compression", ["CXXHash", "CZlib", "CZstd"]),
        room("FlowStore", ["Postgres", "FlowModel", "JSON", "Compression", "Resources", deque, logging]),
        room("FlowArchive", ["WireMessages", "Protobuf", "Compression"]),
        room("FlowAccess", ["FlowModel"]),
        room("FlowService", ["GRPC", "WireMessages", "Protobuf", "FlowStore", "FlowAccess", "FlowModel", "Resources", "JSON", nioCore]),
        room("FlowStateClient", ["GRPC", "WireMessages", "Protobuf", "Compression", nioCore, nioPosix]),
        room("FlowTransfer", ["FlowStateClient", "FlowArchive", "WireMessages", "FlowModel", "JSON"]),
        room(
            "FlowServer",
            [
                "FlowService", "GRPC", "WireMessages", "FlowStore", "PostgresCluster", "Postgres", "FlowModel", "Resources", "CJemalloc",
                nioCore, nioPosix, logging, lifecycle, httpClient, crypto,
            ]),
        .executableTarget(
            name: "flowstate",
            dependencies: [
                "FlowServer", "FlowStateClient", "FlowTransfer", "FlowArchive", "FlowModel", "JSON", "GRPC", "MessageJSON", "Protobuf",
                "Resources",
                "WireMessages",
                arguments, logging, lifecycle, systemPackage, yaml,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "FlowstateBench",
            dependencies: [
                "FlowStateClient", "GRPC", "HTTP2", "WireMessages", "Protobuf", "FlowModel", "JSON", nioCore, arguments, histogram,
                subprocess,
                systemPackage,
            ],
            path: "Benchmarks/flowstate-bench", swiftSettings: strict),

        // Tests
        .target(
            name: "TestSupport", dependencies: ["JSON", "PostgresCluster", "Postgres", "Resources", logging], path: "Tests/TestSupport",
            swiftSettings: strict),
        tests("JSONTests", ["JSON", "TestSupport"], data: ["Data"]),
        tests("FlowModelTests", ["FlowModel", "JSON", "CJSON", "TestSupport"]),
        tests("FlowAccessTests", ["FlowAccess", "FlowModel"]),
        tests("ResourcesTests", ["Resources"]),
        tests("HTTP2Tests", ["HTTP2", nioCore]),
        tests("GRPCTests", ["GRPC", "Compression", "Resources", nioCore, nioPosix, nioExtras, logging]),
        // The two sides of gRPC's interoperability tests; not products.
        .target(name: "InteropMessages", path: "Tests/InteropMessages", swiftSettings: strict),
        .executableTarget(
            name: "interop-server", dependencies: ["GRPC", "InteropMessages", nioCore, nioPosix, logging], path: "Tests/interop-server",
            swiftSettings: strict),
        .executableTarget(
            name: "interop-client", dependencies: ["GRPC", "InteropMessages", nioCore], path: "Tests/interop-client", swiftSettings: strict),
        tests("WireMessagesTests", ["WireMessages", "Protobuf", "MessageJSON", "TestSupport"]),
        tests("PostgresTests", ["Postgres", "PostgresCluster", "Resources", "TestSupport"]),
        tests("PostgresClusterTests", ["PostgresCluster", "Postgres", "TestSupport"]),
        tests(
            "FlowStoreTests",
            ["FlowStore", "PostgresCluster", "Postgres", "FlowModel", "JSON", "Compression", "Resources", "TestSupport", logging]),
        tests("FlowArchiveTests", ["FlowArchive", "WireMessages", "CXXHash", "CZstd"]),
        tests("FlowTransferTests", ["FlowTransfer", "FlowModel", "WireMessages"]),
        tests("flowstateTests", ["flowstate", "FlowStateClient", "WireMessages", "TestSupport"]),
        tests("FlowstateBenchTests", ["FlowstateBench", "HTTP2", "GRPC", "WireMessages", "Protobuf", nioCore]),
        tests(
            "FlowServerTests",
            [
                "FlowServer", "FlowService", "FlowAccess", "FlowStateClient", "GRPC", "WireMessages", "Protobuf", "FlowStore",
                "PostgresCluster", "Postgres", "FlowModel", "JSON", "Resources", nioCore, nioPosix, logging, lifecycle,
            ]),
    ],
    cxxLanguageStandard: .cxx17
)
