import BitsCore
import BitsModels
import BitsNN

/// The parameters of a model that an adapter trains whole: biases, and the modules that are saved with it.
///
/// They stay where they are and take the adapter's values while it is enabled. Where several adapters on a model train one, the last that was enabled decides.
struct WholeParameters {
    private struct Entry {
        let name: String
        let parameter: Parameter
        let isCopied: Bool
        let original: Tensor
        /// While the adapter is disabled: what has been trained.
        var trained: Tensor?
    }

    private var entries: [Entry] = []
    /// Numbers in the weights that heads were given because they shared a table.
    private var untiedCount = 0

    /// Finds what `selection` names in `model`. A head that shares its table is given a weight of its own where either of the two is trained.
    init(_ selection: AdapterSelection, in model: TaskModel, dtype: DType) {
        guard !selection.whole.isEmpty else { return }
        let trained = Set(selection.whole.map { ObjectIdentifier($0.parameter) })
        var heads: [String: Parameter] = [:]
        model.replaceModules { path, module in
            guard let head = module as? TiedLinear,
                selection.tiedHeads.contains(path)
                    || head.embedding.namedParameters().contains(where: { trained.contains(ObjectIdentifier($0.parameter)) })
            else { return nil }
            let weight = Parameter(head.weightMatrix(), isTrainable: false)
            heads["\(path).weight"] = weight
            return Linear(weight: weight, computeDType: head.computeDType)
        }
        untiedCount = heads.values.reduce(0) { $0 + $1.count }
        entries = selection.whole.map { name, parameter, isCopied in
            let parameter = heads[name] ?? parameter
            defer { parameter.value = parameter.value.cast(to: dtype) }
            return Entry(name: name, parameter: parameter, isCopied: isCopied, original: parameter.value)
        }
    }

    var parameters: [Parameter] { entries.map(\.parameter) }
    /// What each was before it was trained.
    var types: [(parameter: Parameter, dtype: DType)] { entries.map { ($0.parameter, $0.original.dtype) } }
    /// Their names in the adapter's file, with what has been trained.
    var values: [(name: String, value: Tensor)] { entries.map { ($0.name, $0.trained ?? $0.parameter.value) } }
    /// Numbers that PEFT counts beside those of the model as it is here: modules that are saved are there as they were, and as they are trained.
    var copiedCount: Int { entries.reduce(0) { $0 + ($1.isCopied ? $1.parameter.count : 0) } - untiedCount }

    /// Takes the values of a file, which have the right shapes.
    mutating func take(_ values: [String: Tensor]) {
        for entry in entries {
            if let value = values[entry.name] { entry.parameter.value = value }
        }
    }

    /// Puts the adapter's values in place, or those that were there before.
    mutating func setEnabled(_ isEnabled: Bool) {
        for index in entries.indices {
            let parameter = entries[index].parameter
            if isEnabled, let trained = entries[index].trained {
                (parameter.value, entries[index].trained) = (trained, nil)
            } else if !isEnabled, entries[index].trained == nil {
                (parameter.gradient, entries[index].trained) = (nil, parameter.value)
                parameter.value = entries[index].original
            }
        }
    }

    /// Makes what has been trained the model's own, frozen, in the type that it had before.
    func settle() {
        for entry in entries {
            entry.parameter.gradient = nil
            entry.parameter.isTrainable = false
            entry.parameter.value = (entry.trained ?? entry.parameter.value).cast(to: entry.original.dtype)
        }
    }
}
