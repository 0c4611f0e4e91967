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

/// A program that shows one use of the libraries.
func example(_ name: String) -> Target {
    let uses = ["BitsAndBytes", "BitsTune", "BitsModels", "BitsIO", "CLexicon"]
    return .executableTarget(name: name, dependencies: uses.map { .byName(name: $0) }, path: "Examples/\(name)", swiftSettings: strict)
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
        .library(name: "BitsTune", targets: ["BitsTune", "BitsCheckpoints", "BitsModels", "BitsHub", "BitsIO"]),
        .executable(name: "bnb", targets: ["bnb"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // C: what is asked of the system, kernels for the processor, and the demo's model compiled in.
        .target(name: "CBitsSystem", cSettings: strictC, linkerSettings: [.linkedLibrary("dl"), .linkedLibrary("pthread")]),
        .target(
            name: "CBitsCPU", cSettings: strictC + [.headerSearchPath(".")], linkerSettings: [.linkedLibrary("m"), .linkedLibrary("pthread")]),
        // NVIDIA's libraries by hand, found at run time, and kernels for its GPUs as text and PTX.
        .target(name: "CBitsCUDA", exclude: ["kernels", "ptx"], cSettings: strictC, linkerSettings: [.linkedLibrary("dl")]),
        .target(
            name: "CLexicon", dependencies: ["CBitsSystem"], exclude: ["lexicon-5m", "text", "README.md", "WORDNET-LICENSE.txt"],
            cSettings: strictC),

        // The stack, bottom up.
        module("BitsSystem", uses: ["CBitsSystem"]),
        module("BitsKernels", uses: ["BitsSystem", "CBitsCPU", "CBitsCUDA"]),
        module("BitsVerify", uses: ["BitsKernels", "BitsSystem"]),
        module("BitsCore", uses: ["BitsKernels", "BitsSystem"]),
        module("BitsQuant", uses: ["BitsCore", "BitsKernels", "BitsSystem"]),
        module("BitsNN", uses: ["BitsQuant", "BitsCore", "BitsSystem"]),
        module("BitsTemplate", uses: ["BitsSystem"]),
        module("BitsIO", uses: ["BitsTemplate", "BitsQuant", "BitsCore", "BitsKernels", "BitsSystem"]),
        module("BitsHub", uses: ["BitsIO", "BitsSystem"]),
        module("BitsOptim", uses: ["BitsIO", "BitsQuant", "BitsCore", "BitsKernels", "BitsSystem"]),
        module("BitsModels", uses: ["BitsNN", "BitsIO", "BitsQuant", "BitsCore", "BitsSystem"]),
        module("BitsCheckpoints", uses: ["BitsModels", "BitsNN", "BitsIO", "BitsQuant", "BitsCore", "BitsSystem"]),
        module("BitsTune", uses: ["BitsModels", "BitsOptim", "BitsNN", "BitsIO", "BitsQuant", "BitsCore", "BitsSystem"]),
        module("BitsAndBytes", uses: ["BitsCore", "BitsQuant", "BitsNN", "BitsOptim"]),
        module(
            "BitsBench",
            uses: [
                "CLexicon", "BitsTune", "BitsModels", "BitsOptim", "BitsNN", "BitsIO", "BitsQuant", "BitsCore", "BitsVerify", "BitsKernels",
                "BitsSystem",
            ]),
        .executableTarget(
            name: "bnb",
            dependencies: [
                "BitsBench", "BitsHub", "BitsCheckpoints", "BitsTune", "BitsModels", "BitsOptim", "BitsNN", "BitsIO", "BitsQuant", "BitsCore",
                "BitsSystem",
                "CLexicon",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),

        // Examples: one idea each, run with `swift run -c release <name>`.
        .executableTarget(
            name: "OptimizerAblation", dependencies: ["BitsAndBytes", "CLexicon"], path: "Examples/OptimizerAblation", swiftSettings: strict),
        .executableTarget(
            name: "DebertaClassification", dependencies: ["BitsAndBytes", "BitsModels", "BitsIO"], path: "Examples/DebertaClassification",
            swiftSettings: strict),
        example("QLoRA"),
        example("FullFineTuning"),
        example("MergeAdapter"),
        example("CustomLoop"),

        // Tests.
        module("_BitsTestSupport", uses: ["BitsVerify", "BitsIO", "BitsQuant", "BitsCore", "BitsKernels", "BitsSystem"]),
        .target(name: "HubServer", dependencies: ["BitsSystem"], path: "Tests/HubServer", swiftSettings: strict),
        tests("BitsSystemTests", uses: ["BitsSystem"]),
        tests("BitsKernelsTests", uses: ["BitsSystem", "BitsKernels"]),
        tests("BitsCoreTests", uses: ["BitsSystem", "BitsCore", "BitsKernels"]),
        tests("BitsQuantTests", uses: ["BitsSystem", "BitsQuant", "BitsCore"]),
        tests("BitsNNTests", uses: ["BitsSystem", "BitsNN", "BitsQuant", "BitsCore"]),
        tests("BitsOptimTests", uses: ["BitsSystem", "BitsOptim", "BitsIO", "BitsQuant", "BitsCore", "BitsKernels"]),
        tests("BitsTemplateTests", uses: ["BitsTemplate", "BitsSystem"]),
        tests("BitsHubTests", uses: ["HubServer", "BitsHub", "BitsIO", "BitsKernels", "BitsSystem"]),
        tests("BitsIOTests", uses: ["BitsSystem", "BitsIO", "BitsQuant", "BitsCore", "BitsKernels", "CLexicon"], exclude: ["Cases"]),
        tests("BitsModelsTests", uses: ["BitsSystem", "BitsCheckpoints", "BitsModels", "BitsNN", "BitsIO", "BitsQuant", "BitsCore"]),
        tests(
            "ParityTests",
            uses: [
                "BitsCheckpoints", "BitsTune", "BitsModels", "BitsOptim", "BitsNN", "BitsIO", "BitsTemplate", "BitsQuant", "BitsCore", "BitsKernels",
                "BitsSystem",
            ],
            exclude: ["Cases"]),
        tests(
            "TrainingTests",
            uses: [
                "BitsAndBytes", "BitsTune", "BitsModels", "BitsOptim", "BitsNN", "BitsIO", "BitsQuant", "BitsCore", "BitsKernels", "BitsSystem",
                "CLexicon",
            ]),
        tests(
            "CommandTests",
            uses: [
                "bnb", "DebertaClassification", "QLoRA", "FullFineTuning", "MergeAdapter", "CustomLoop", "HubServer", "BitsKernels", "BitsSystem",
            ],
            exclude: ["FakeDriver"]),
    ],
    cLanguageStandard: .gnu2x
)
