// swift-tools-version: 6.3
import PackageDescription

/// Set by `Tools/check`: a warning in this package stops the build. Dependencies, and people with a newer compiler, are left alone.
let warningsAreErrors = Context.environment["BNB_WARNINGS_AS_ERRORS"] == "1"

let strict: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .strictMemorySafety(),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + (warningsAreErrors ? [.treatAllWarnings(as: .error)] : [])

let strictC: [CSetting] = [.enableWarning("all"), .enableWarning("extra")] + (warningsAreErrors ? [.treatAllWarnings(as: .error)] : [])

/// A library module of the stack; `uses` are the modules it may import, all of them below it.
func module(_ name: String, uses: [String] = []) -> Target {
    .target(name: name, dependencies: uses.map { .byName(name: $0) }, swiftSettings: strict)
}

func tests(_ name: String, uses: [String], exclude: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: (uses + ["_BitsTestSupport"]).map { .byName(name: $0) }, exclude: exclude,
        swiftSettings: strict)
}

let package = Package(
    name: "swift-bitsandbytes",
    products: [
        .library(name: "BitsAndBytes", targets: ["BitsAndBytes"]),
        .library(name: "BitsTune", targets: ["BitsTune", "BitsModels", "BitsIO"]),
        .executable(name: "bnb", targets: ["bnb"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // C: kernels for the processor, and the demo's model compiled in.
        .target(name: "CBitsCPU", cSettings: strictC, linkerSettings: [.linkedLibrary("m"), .linkedLibrary("pthread")]),
        .target(
            name: "CLexicon", dependencies: ["CBitsCPU"], exclude: ["lexicon-5m", "text", "README.md", "WORDNET-LICENSE.txt"],
            cSettings: strictC),

        // The stack, bottom up.
        module("BitsKernels", uses: ["CBitsCPU"]),
        module("BitsCore", uses: ["BitsKernels"]),
        module("BitsQuant", uses: ["BitsCore", "BitsKernels"]),
        module("BitsNN", uses: ["BitsQuant", "BitsCore"]),
        module("BitsIO", uses: ["BitsQuant", "BitsCore", "BitsKernels"]),
        module("BitsOptim", uses: ["BitsIO", "BitsQuant", "BitsCore", "BitsKernels"]),
        module("BitsModels", uses: ["BitsNN", "BitsIO", "BitsQuant", "BitsCore"]),
        module("BitsTune", uses: ["BitsModels", "BitsOptim", "BitsNN", "BitsIO", "BitsQuant", "BitsCore"]),
        module("BitsAndBytes", uses: ["BitsCore", "BitsQuant", "BitsNN", "BitsOptim"]),
        module("BitsBench", uses: ["CLexicon", "BitsTune", "BitsModels", "BitsOptim", "BitsNN", "BitsIO", "BitsQuant", "BitsCore"]),
        .executableTarget(
            name: "bnb",
            dependencies: [
                "BitsBench", "BitsTune", "BitsModels", "BitsOptim", "BitsNN", "BitsIO", "BitsQuant", "BitsCore", "CLexicon",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),

        // Examples: one idea each, run with `swift run -c release <name>`.
        .executableTarget(
            name: "OptimizerAblation", dependencies: ["BitsAndBytes", "CLexicon"], path: "Examples/OptimizerAblation", swiftSettings: strict),

        // Tests.
        module("_BitsTestSupport", uses: ["BitsIO", "BitsQuant", "BitsCore", "BitsKernels"]),
        tests("BitsKernelsTests", uses: ["BitsKernels"]),
        tests("BitsCoreTests", uses: ["BitsCore", "BitsKernels"]),
        tests("BitsQuantTests", uses: ["BitsQuant", "BitsCore"]),
        tests("BitsNNTests", uses: ["BitsNN", "BitsQuant", "BitsCore"]),
        tests("BitsOptimTests", uses: ["BitsOptim", "BitsIO", "BitsQuant", "BitsCore"]),
        tests("BitsIOTests", uses: ["BitsIO", "BitsQuant", "BitsCore", "BitsKernels", "CLexicon"], exclude: ["Cases"]),
        tests("BitsModelsTests", uses: ["BitsModels", "BitsNN", "BitsIO", "BitsQuant", "BitsCore"]),
        tests(
            "ParityTests", uses: ["BitsTune", "BitsModels", "BitsOptim", "BitsNN", "BitsIO", "BitsQuant", "BitsCore", "BitsKernels"],
            exclude: ["Cases"]),
        tests(
            "TrainingTests",
            uses: ["BitsAndBytes", "BitsTune", "BitsModels", "BitsOptim", "BitsNN", "BitsIO", "BitsQuant", "BitsCore", "CLexicon"]),
        tests("CommandTests", uses: ["bnb"]),
    ],
    cLanguageStandard: .gnu2x
)
