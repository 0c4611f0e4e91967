import ArgumentParser
import BitsIO
import BitsModels
import BitsTune

/// `--adapter A`, `--adapter B=0.5`: the folder of an adapter, and how much of it counts.
struct WeighedAdapter: ExpressibleByArgument {
    let folder: String
    let weight: Float

    init?(argument: String) {
        let parts = argument.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count > 1, let weight = Float(parts[parts.count - 1]) else {
            (folder, weight) = (argument, 1)
            return
        }
        guard weight.isFinite, parts.count > 2 || !parts[0].isEmpty else { return nil }
        (folder, self.weight) = (parts.dropLast().joined(separator: "="), weight)
    }

    /// Puts the adapter on `model`, and says on standard error where that may be another one than it was trained on.
    func load(on model: TaskModel) throws(ModelFileError) -> Adapter {
        let adapter = try Adapter(ModelFolder(path: folder), on: model)
        adapter.weight = weight
        Console.warn(adapter.doubt.map { [$0] } ?? [])
        return adapter
    }
}
