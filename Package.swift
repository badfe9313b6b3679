// swift-tools-version: 6.1
import PackageDescription

// The Swift runtime is linked into the library, so that a host needs no Swift installation, and only
// `arms_*` symbols leave it. Both are flags of the linker, which SwiftPM calls unsafe; they stand on
// this one target, so that the Swift product `ARMS` stays usable as a dependency.
//
// A build with ARMS_INSTRUMENTED in its environment keeps its symbols, for the reports of sanitizers and fuzzers.
let dynamicLibraryFlags: [String] =
  Context.environment["ARMS_INSTRUMENTED"] != nil
  ? ["-static-stdlib"]
  : [
    "-static-stdlib",
    "-Xlinker", "-soname=libarms.so.0",
    "-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/ARMSABI/arms.map",
    "-Xlinker", "--gc-sections",
    "-Xlinker", "--strip-all",
    "-Xlinker", "-z", "-Xlinker", "nodelete",
    "-Xlinker", "-z", "-Xlinker", "now",
    // LLD, because gold cannot leave out single sections.
    "-use-ld=lld",
    "-Xlinker", "-T", "-Xlinker", "\(Context.packageDirectory)/Sources/ARMSABI/reproducible.ld",
  ]

// For sanitizers: all memory from malloc, whose blocks they know (memcheck runs the release library, which has large
// buffers mapped); and for the fuzzers also scratch memory in which they see a step from one allocation into the next.
let memorySettings: [SwiftSetting] = ["ARMS_INSTRUMENTED", "ARMS_GUARDED_SCRATCH"]
  .filter { Context.environment[$0] != nil }.map { .define($0) }

let package = Package(
  name: "arms",
  products: [
    .library(name: "ARMS", targets: ["ARMS"]),
    .library(name: "arms", type: .dynamic, targets: ["ARMSABI"]),
  ],
  targets: [
    .target(name: "CARMS"),
    .target(name: "CKernels"),
    .target(
      name: "CImageCodec",
      linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("png")]),
    .target(name: "CUnicode"),
    .target(name: "CBLAS", linkerSettings: [.linkedLibrary("dl")]),
    .target(name: "CThreading"),
    .target(
      name: "ARMS",
      dependencies: ["CKernels", "CImageCodec", "CBLAS", "CThreading", "CUnicode"],
      exclude: ["ModelFile/FORMAT.md"],
      swiftSettings: memorySettings),
    .target(
      name: "ARMSABI",
      dependencies: ["ARMS", "CARMS"],
      exclude: ["arms.map", "reproducible.ld"],
      linkerSettings: [.unsafeFlags(dynamicLibraryFlags)]),
    .target(
      name: "CBenchmark",
      path: "Tests/Benchmarks/CBenchmark",
      linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("m")]),
    .executableTarget(
      name: "arms-bench",
      dependencies: ["ARMS", "CKernels", "CBenchmark"],
      path: "Tests/Benchmarks/arms-bench"),
    .executableTarget(name: "head-epoch", dependencies: ["ARMS"], path: "Tests/Benchmarks/head-epoch"),
    .executableTarget(name: "train-run", dependencies: ["ARMS"], path: "Tests/Reliability/train-run"),
    .executableTarget(name: "tokenize", dependencies: ["ARMS"], path: "Tests/Parity/tokenize"),
    .target(
      name: "FuzzTargets", dependencies: ["ARMS", "ARMSABI", "CARMS"], path: "Tests/Fuzz/FuzzTargets"),
    .executableTarget(name: "arms-fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/arms-fuzz"),
    .testTarget(name: "ARMSTests", dependencies: ["ARMS", "CKernels"]),
    .testTarget(name: "CKernelsTests", dependencies: ["CKernels"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu11
)
