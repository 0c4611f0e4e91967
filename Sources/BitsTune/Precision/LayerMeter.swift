import BitsCore
import BitsNN
import BitsQuant

// Shapes: N = output width, K = input width, R = rows.

/// Adds up the errors of one layer, in float32 products and double sums.
final class LayerMeter {
    private typealias Weights = (byteCount: Int, squares: Double, largest: Double)

    /// What a layer is used for: the rows that it was given, the squares of what it computed, and those of each form's differences from that.
    private struct Use {
        var rows = 0
        var squares = 0.0
        var differences: [Double]
    }

    private let layer: ModelPlan.Layer
    private let forms: [Quantization]
    private var products: Use
    private var lookups: Use
    /// Of each form; nil until they have been looked at.
    private var weights: [Weights]?

    init(_ layer: ModelPlan.Layer, forms: [Quantization]) {
        (self.layer, self.forms) = (layer, forms)
        products = Use(differences: forms.map { _ in 0 })
        lookups = products
    }

    /// Adds what each form makes of `input`.
    func take(_ input: LayerInput, of module: Module) throws {
        let exact = try LayerMeter.exact(module)
        let whole = LayerMeter.output(of: exact, input)  // [R, N]
        let (rows, isFirst) = (whole.shape[0], weights == nil)
        var (found, differences): ([Weights], [Double]) = ([], [])
        for form in forms {
            let quantized = try LayerMeter.layer(exact, as: form)
            if isFirst { found.append(try measured(quantized, exact)) }
            let parts = Tensor.stretches(rows, width: whole.shape[1]).map { part in
                (LayerMeter.output(of: quantized, input.narrowed(to: part)) - whole.narrowed(axis: 0, to: part)).sumOfSquares().readLater()
            }
            differences.append(try parts.reduce(0) { try $0 + Double($1.item()) })
        }
        if isFirst { weights = found }
        let squares = Double(try whole.sumOfSquares().item())
        func add(to use: inout Use) {
            (use.rows, use.squares) = (use.rows + rows, use.squares + squares)
            for index in forms.indices { use.differences[index] += differences[index] }
        }
        if case .ids = input { add(to: &lookups) } else { add(to: &products) }
    }

    /// What came of it.
    ///
    /// - Parameters:
    ///   - module: the layer, for its weights where it was given nothing.
    ///   - tokens: that the model was given.
    ///   - influence: see ``LayerErrors/influence``.
    func errors(_ module: Module, tokens: Int, influence: Double?) throws -> LayerErrors {
        let exact = try LayerMeter.exact(module)
        let weight = LayerMeter.weight(of: exact)
        let found = try weights ?? forms.map { try measured(LayerMeter.layer(exact, as: $0), exact) }
        let squares = try Tensor.stretches(weight.shape[0], width: weight.shape[1]).reduce(0) { sum, part in
            sum + Double(try weight.narrowed(axis: 0, to: part).sumOfSquares().item())
        }
        let uses = [products, lookups].filter { $0.rows > 0 }
        let errors = forms.indices.map { index in
            let outputs = uses.map { LayerMeter.ratio($0.differences[index], $0.squares) }
            return LayerErrors.Form(
                form: forms[index], byteCount: found[index].byteCount, weights: LayerMeter.ratio(found[index].squares, squares).squareRoot(),
                largest: found[index].largest, outputs: uses.isEmpty ? nil : outputs.reduce(0, +).squareRoot())
        }
        let rows = uses.map(\.rows).max() ?? 0
        return LayerErrors(
            path: layer.path, role: layer.role, shape: layer.weight.shape, byteCount: weight.count * weight.dtype.byteCount,
            influence: influence ?? Double(rows) / Double(tokens), keptByDefault: layer.keptByDefault, forms: errors)
    }

    /// A layer without an output has no error where there is no difference.
    private static func ratio(_ difference: Double, _ whole: Double) -> Double { difference == 0 ? 0 : difference / whole }

    private func measured(_ quantized: Module, _ exact: Module) throws -> Weights {
        guard let weight = quantized.quantizedWeights.first else {
            preconditionFailure("\(layer.path): \(type(of: quantized)) has no quantized weight")
        }
        let matrix = LayerMeter.weight(of: exact)
        let parts = Tensor.stretches(matrix.shape[0], width: matrix.shape[1]).map { part in
            let rows = Tensor(part.map { Int32($0) }, device: matrix.device)
            let difference = weight.rows(rows, dtype: .float32) - matrix.narrowed(axis: 0, to: part).cast(to: .float32)
            return (difference.sumOfSquares().readLater(), difference.absoluteValue().reshaped(-1).maximum(axis: 0).readLater())
        }
        return try parts.reduce((weight.byteCount, 0, 0)) { sum, part in
            (sum.0, sum.1 + Double(try part.0.item()), max(sum.2, Double(try part.1.item())))
        }
    }
}

extension LayerMeter {
    /// The layer with products that round nothing.
    private static func exact(_ module: Module) throws -> Module {
        guard let linear = module as? Linear else { return module }
        return Linear(weight: linear.weight, bias: linear.bias, computeDType: .float32)
    }

    private static func layer(_ exact: Module, as form: Quantization) throws -> Module {
        switch exact {
        case let linear as Linear: try form.layer(linear)
        case let table as Embedding: try form.layer(table)
        default: preconditionFailure("\(type(of: exact)) is no layer that can be quantized")
        }
    }

    private static func weight(of exact: Module) -> Tensor {
        switch exact {
        case let linear as Linear: linear.weight.value
        case let table as Embedding: table.weight.value
        default: preconditionFailure("\(type(of: exact)) is no layer that can be quantized")
        }
    }

    /// What a layer of any form computes, [R, N] in float32.
    private static func output(of module: Module, _ input: LayerInput) -> Tensor {
        switch (module, input) {
        case (let layer as any LinearLayer, .rows(let x)): layer(x.asRows.cast(to: .float32))
        case (let table as any EmbeddingLayer, .rows(let x)): table.scores(x.asRows.cast(to: .float32), computeDType: .float32)
        case (let table as any EmbeddingLayer, .ids(let ids)): table(ids.reshaped(-1), dtype: .float32)
        default: preconditionFailure("\(type(of: module)) is no layer that can be quantized")
        }
    }
}

extension LayerInput {
    /// The rows, or ids, in `range`.
    fileprivate func narrowed(to range: Range<Int>) -> LayerInput {
        switch self {
        case .rows(let x): .rows(x.asRows.narrowed(axis: 0, to: range))
        case .ids(let ids): .ids(ids.reshaped(-1).narrowed(axis: 0, to: range))
        }
    }
}

extension Tensor {
    /// [.., K] as [R, K].
    fileprivate var asRows: Tensor { reshaped(-1, shape[rank - 1]) }

    /// Ranges of `rows` that hold some millions of numbers each.
    fileprivate static func stretches(_ rows: Int, width: Int) -> [Range<Int>] {
        let length = max(1, (1 << 23) / max(1, width))
        return stride(from: 0, to: rows, by: length).map { $0..<min(rows, $0 + length) }
    }
}
