import ArgumentParser
import BitsBench
import BitsCore
import BitsIO
import BitsTune

/// `bnb doctor`: what was found, and what will be used.
struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what was found on this machine and what will be used.")

    @Flag(help: "Print one JSON object.")
    var json = false

    @Flag(help: "Compare every kernel of --device with its reference, and print one line for each.")
    var verify = false

    @Option(name: .customLong("kernel"), help: ArgumentHelp("Verify this kernel alone; may be repeated. (default: all)", valueName: "name"))
    var kernels: [String] = []

    @Flag(help: "Compare kernels on operands of more than 2^31 elements with their references, as far as there is room for them.")
    var large = false

    @OptionGroup var machine: MachineOptions

    func run() throws {
        if verify || large || !kernels.isEmpty { return try verifyKernels(on: machine.prepare()) }
        try machine.prepareProcessor()
        let diagnosis = Diagnosis()
        try Console.writeLine(json ? diagnosis.json.compactText : diagnosis.text)
    }
}

extension Doctor {
    private func verifyKernels(on device: Device) throws {
        if let name = kernels.first(where: { !KernelVerification.kernels.contains($0) }) {
            throw ValidationError("no kernel '\(name)'; use one of \(KernelVerification.kernels.joined(separator: ", "))")
        }
        var (count, unsound) = (0, 0)
        func tell(_ result: KernelVerification) throws {
            if result.omission == nil { count += 1 }
            if !result.isSound { unsound += 1 }
            try Console.writeLine(json ? result.json.compactText : result.text)
        }
        if verify || !kernels.isEmpty {
            try KernelVerification.run(kernels.isEmpty ? KernelVerification.kernels : kernels, on: device, report: tell)
        }
        if large { try KernelVerification.runLong(on: device, report: tell) }
        if count == 0 { throw Failure(.unavailable, "nothing was compared: \(device.name) has no room for any of these operands") }
        if !json { try Console.writeLine("\(count) kernels on \(device.name), \(unsound == 0 ? "all sound" : "\(unsound) unsound")") }
        if unsound > 0 { throw ExitCode(70) }
    }
}

extension KernelVerification {
    fileprivate var text: String {
        if let omission { return "left out \(kernel): \(omission)" }
        let runs = referenceRuns == 0 ? "" : ", \(referenceRuns) by the reference on the host"
        let first = deviations.prefix(3).map { "\n    \($0)" }.joined() + (deviations.count > 3 ? "\n    and \(deviations.count - 3) more" : "")
        return "\(isSound ? "ok     " : "UNSOUND") \(kernel): \(cases) cases\(runs)\(first)"
    }

    fileprivate var json: JSONValue {
        [
            "kernel": .string(kernel), "cases": .number(JSONNumber(cases)), "reference_runs": .number(JSONNumber(referenceRuns)),
            "deviations": .array(deviations.map { .string($0) }), "left_out": omission.map { .string($0) } ?? .null,
        ]
    }
}

extension Diagnosis {
    fileprivate var text: String {
        let capped = level < bestLevel ? " (the processor has \(bestLevel.name); BNB_CPU caps it)" : ""
        var lines = [
            "version    \(Diagnosis.version), formats and rules of \(Diagnosis.referenceVersion)",
            "system     \(system), \(architecture)",
            "processor  \(processorName ?? "unknown")",
            "level      \(level.name)\(capped)",
            "kernels    \(kernels)",
            "threads    \(threads) on \(processors) processors",
        ]
        if !environment.isEmpty { lines.append("settings   \(environment.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }.joined(separator: ", "))") }
        if let memory { lines.append("memory     \(Bytes(memory))" + (availableMemory.map { ", \(Bytes($0)) available" } ?? "")) }
        lines.append("cache      \(cache.path)")
        if let kernelCache { lines.append("gpu cache  \(kernelCache.path), \(Bytes(kernelCache.byteCount)) of kernels") }
        lines += backends.map { backend in "device     \(backend.name) \(backend.note)" }
        return lines.joined(separator: "\n")
    }

    fileprivate var json: JSONValue {
        func number(_ value: Int?) -> JSONValue { value.map { .number(JSONNumber($0)) } ?? .null }
        var settings = JSONObject()
        for (name, value) in environment { settings[name] = .string(value) }
        return [
            "environment": .object(settings.sorted()), "version": .string(Diagnosis.version), "reference": .string(Diagnosis.referenceVersion),
            "system": .string(system),
            "architecture": .string(architecture), "processor": processorName.map { .string($0) } ?? .null, "level": .string(level.name),
            "best_level": .string(bestLevel.name), "features": .array(features.names.map { .string($0) }), "kernels": .string(kernels),
            "threads": number(threads), "processors": number(processors), "memory_bytes": number(memory),
            "available_memory_bytes": number(availableMemory), "cache": .string(cache.path),
            "kernel_cache": kernelCache.map { ["path": .string($0.path), "bytes": number($0.byteCount)] } ?? .null,
            "devices": .array(backends.map { ["name": .string($0.name), "available": .bool($0.isAvailable), "note": .string($0.note)] }),
        ]
    }
}
