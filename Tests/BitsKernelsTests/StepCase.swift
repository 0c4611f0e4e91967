import BitsKernels
import _BitsTestSupport

/// A parameter, its gradients and its moments, stepped by the reference and by the processor's kernels.
struct StepCase {
    var update: ElementUpdate
    /// Which moments are signed.
    var signs: [Bool]
    /// nil: moments in float32.
    var blockSize: Int?
    var parameters: [Float]
    var gradients: [Float]
    var parameterType = DType.float32
    var gradientType = DType.float32
    var scale: Float?
    var codebooks = [true: ConformanceCase.dynamicMap(isSigned: true), false: ConformanceCase.dynamicMap(isSigned: false)]

    /// - Parameter count: of ordinary elements, some with a zero gradient or one that is not finite.
    init(rule: ElementRule, signs: [Bool], count: Int, blockSize: Int?) {
        update = ElementUpdate(rule, step: -1e-2)
        self.signs = signs
        self.blockSize = blockSize
        parameters = HostileFloats.ordinary(count: count, seed: 1)
        gradients = HostileFloats.ordinary(count: count, seed: 2)
        for i in gradients.indices {
            if i % 97 == 5 { gradients[i] = 0 }
            if i % 151 == 7 { gradients[i] = [.nan, .infinity, -.infinity][i % 3] }
            if (1024..<1600).contains(i) { gradients[i] = 0 }
        }
    }

    /// Parameter and moments of one run.
    private struct Memory {
        var parameter: Slice
        var moments: [MomentSlice]

        var named: [(String, Slice)] {
            [("parameter", parameter)]
                + moments.enumerated().flatMap { k, moment in
                    [("moment \(k)", moment.values)] + (moment.blocks.map { [("absmax \(k)", $0.absmax)] } ?? [])
                }
        }
    }

    private func fresh(_ device: Device) -> Memory {
        let count = parameters.count
        return Memory(
            parameter: device.slice(parameters, as: parameterType),
            moments: signs.map { isSigned in
                guard let blockSize else { return MomentSlice(device.slice([Float](repeating: 0, count: count))) }
                return MomentSlice(
                    device.upload([UInt8](repeating: 0, count: count), as: .uint8),
                    blocks: .init(
                        absmax: device.slice([Float](repeating: 0, count: blockCount(count, blockSize: blockSize))),
                        codebook: device.slice(codebooks[isSigned]!), size: blockSize, isSigned: isSigned))
            })
    }

    /// The parameter's part of step number `step`, whose gradients and step differ from those of others.
    private func part(_ step: Int, _ memory: Memory, _ device: Device) -> ParameterStep {
        ParameterStep(
            update(step), parameter: memory.parameter, gradient: device.slice(gradients.map { $0 * (1 - 0.3 * Float(step)) }, as: gradientType),
            gradientScale: scale.map { device.slice([$0]) }, moments: memory.moments)
    }

    private func update(_ step: Int) -> ElementUpdate {
        var update = update
        update.step *= 1 + 0.1 * Float(step)
        return update
    }

    private static func stepped(_ cases: [StepCase], _ steps: Int, _ submit: (OptimizerStep) -> Void) throws -> [Memory] {
        let device = Device.tested
        let memory = cases.map { $0.fresh(device) }
        for step in 0..<steps { submit(OptimizerStep(zip(cases, memory).map { $0.part(step, $1, device) })) }
        try device.synchronize()
        return memory
    }

    /// The contents of all memory after `steps` steps, of which every other finds its gradients where the one before did.
    static func contents(_ cases: [StepCase], steps: Int, inSeries: Bool) throws -> [[UInt8]] {
        let device = Device.tested
        let memory = cases.map { $0.fresh(device) }
        let series = inSeries ? StepSeries(models: Array(cases.indices)) : nil
        var parts = [ParameterStep]()
        for step in 0..<steps {
            if step % 2 == 0 {
                parts = zip(cases, memory).map { $0.part(step, $1, device) }
                series?.noteMove()
            }
            for index in parts.indices { parts[index].update = cases[index].update(step) }
            device.run(OptimizerStep(parts, in: series))
        }
        return try memory.flatMap { try $0.named.map { try $1.downloadBytes() } }
    }

    /// The parameter and the moments after `steps` steps; of moments in 8 bits, their scales.
    func values(steps: Int) throws -> [Float] {
        let memory = try StepCase.stepped([self], steps) { Device.tested.run($0) }[0]
        return try memory.parameter.downloadFloats() + memory.moments.flatMap { try ($0.blocks?.absmax ?? $0.values).downloadFloats() }
    }

    /// Takes `steps` steps with gradients that change, both ways, and says what differs afterwards.
    func differences(steps: Int) throws -> [String] { try StepCase.differences([self], steps: steps) }

    /// Steps many parameters, by the reference each on its own, by the processor's kernels all in one launch.
    static func differences(_ cases: [StepCase], steps: Int) throws -> [String] {
        func contents(_ memory: [Memory]) throws -> [(String, [UInt8])] {
            try memory.enumerated().flatMap { i, memory in try memory.named.map { ("\($0) of \(i)", try $1.downloadBytes()) } }
        }
        let expected = try contents(cases.flatMap { try stepped([$0], steps) { $0.reference(DeviceMemory()) } })
        var lines = [String]()
        try ProcessorConditions.forEach { condition in
            let found = try contents(stepped(cases, steps) { Device.tested.run($0) })
            for ((name, wanted), (_, found)) in zip(expected, found) where found != wanted {
                let position = wanted.indices.first { found[$0] != wanted[$0] }!
                lines.append("\(condition): byte \(position) of \(name) is \(found[position]), not \(wanted[position])")
            }
        }
        return lines
    }
}
