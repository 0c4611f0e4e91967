import ArgumentParser
import BitsCore
import BitsIO
import BitsModels
import BitsNN

/// `--plan`: a file that says what each layer becomes.
struct PlanFile: ExpressibleByArgument {
    let path: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        path = argument
    }

    /// What the plan makes of the layers of `folder`'s model.
    ///
    /// - Parameter compute: what products of 4-bit weights round their operands to.
    func quantization(for folder: ModelFolder, compute: DType? = nil) throws(ModelFileError) -> ModelQuantization {
        let plan = try QuantizationPlan(path: path)
        try plan.check(ModelConfiguration(folder))
        return plan.quantization(computeDType: compute)
    }
}
