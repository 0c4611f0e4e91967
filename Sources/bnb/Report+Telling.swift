import BitsBench
import BitsIO
import BitsModels
import BitsQuant
import BitsSystem
import BitsTune

extension PrecisionStudy {
    /// The report for people, in lines of at most `width` characters.
    func text(_ planned: PlannedPrecision, _ losses: Losses?, top: Int, width: Int) -> String {
        let numbers = errors.layers.filter { taken.contains($0.path) }.reduce(0) { $0 + $1.count }
        let title = "\(folder): \(taken.count) layers to quantize, \(numbers) weights; outputs compared on \(errors.tokens) tokens"
        let parts = [
            [title], forms(width), kinds(width), worst(top, width), choice(planned, width), expectation(planned), losses.map(measured(planned)) ?? [],
        ]
        return parts.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") }.joined(separator: "\n\n")
    }

    /// Every form, all layers together.
    private func forms(_ width: Int) -> [String] {
        var table = TextTable(["form", "block", "bits", "weights", "outputs", "noise", "loss"])
        for form in errors.forms {
            let (mean, uniform) = (errors.mean(under: form, of: taken), uniform(form))
            table.add([
                form.name, form.blockSize.map { "\($0)" } ?? "row", Bytes.rounded(bits(of: uniform), 3), percent(mean.weights), percent(mean.outputs),
                "\(Bytes.rounded(-20 * log10(mean.weights), 1)) dB", rise(uniform.cost),
            ])
        }
        return ["relative errors, root mean square over the layers, and what the loss is expected to rise by"] + table.lines(width: width)
    }

    /// Kinds of layers, under the usual forms.
    private func kinds(_ width: Int) -> [String] {
        let shown = usual
        var table = TextTable(["kind of layer, outputs", "layers"] + shown.map(\.name) + ["loss, nf4-dq"])
        var seen = Set<String>()
        for kind in errors.layers.map(\.kind) where seen.insert(kind).inserted {
            let layers = errors.layers.filter { $0.kind == kind }
            let paths = Set(layers.map(\.path))
            let cost = layers.reduce(0) { sum, layer in sum + (layer.errors(under: PrecisionStudy.yardstick).map(layer.cost) ?? 0) }
            table.add([kind, "\(layers.count)"] + shown.map { percent(errors.mean(under: $0, of: paths).outputs) } + [rise(cost)])
        }
        return table.lines(width: width)
    }

    /// The layers that nf4-dq costs most.
    private func worst(_ top: Int, _ width: Int) -> [String] {
        let costs = errors.layers.filter { taken.contains($0.path) }.compactMap { layer in
            layer.errors(under: PrecisionStudy.yardstick).map { (layer: layer, form: $0, cost: layer.cost(of: $0)) }
        }
        let sorted = costs.sorted { $0.cost > $1.cost }.prefix(top)
        guard !sorted.isEmpty else { return [] }
        var table = TextTable(["layers that nf4-dq hurts most", "weights", "largest", "noise", "outputs", "loss"])
        for (layer, form, cost) in sorted {
            table.add([
                layer.path, percent(form.weights), Bytes.significant(form.largest, 3), "\(Bytes.rounded(form.signalToNoise, 1)) dB",
                form.outputs.map(percent) ?? "unknown", rise(cost),
            ])
        }
        return table.lines(width: width)
    }

    /// What the plan has chosen.
    private func choice(_ planned: PlannedPrecision, _ width: Int) -> [String] {
        let layers = planned.plan.layers.filter { taken.contains($0.path) }
        var table = TextTable(["the plan", "block", "layers", "weights"])
        let numbers = layers.reduce(0) { $0 + $1.shape.reduce(1, *) }
        for form in errors.forms.map(Optional.some) + [nil] {
            let group = layers.filter { $0.form == form }
            guard !group.isEmpty else { continue }
            let own = group.reduce(0) { $0 + $1.shape.reduce(1, *) }
            table.add([
                form?.name ?? "as it is", form.map { $0.blockSize.map { "\($0)" } ?? "row" } ?? "", "\(group.count)",
                percent(Double(own) / Double(numbers)),
            ])
        }
        return table.lines(width: width)
    }

    private func expectation(_ planned: PlannedPrecision) -> [String] {
        let plain = uniform(PrecisionStudy.yardstick)
        return [
            "\(Bytes(byteCount(of: planned))) of weights, \(Bytes.rounded(bits(of: planned), 3)) bits a weight "
                + "(nf4-dq: \(Bytes(byteCount(of: plain))), \(Bytes.rounded(bits(of: plain), 3)))",
            "expected to raise the loss by \(rise(planned.cost)) (nf4-dq: \(rise(plain.cost))); no choice within these bytes by less than "
                + rise(planned.leastCost),
        ]
    }

    private func measured(_ planned: PlannedPrecision) -> (Losses) -> [String] {
        { losses in
            let expected = losses.plain + (losses.yardstick - losses.plain) * planned.cost / uniform(PrecisionStudy.yardstick).cost
            return [
                "measured on \(losses.tokens) other tokens: nll \(Bytes.rounded(losses.plain, 5)) as it is, \(Bytes.rounded(losses.yardstick, 5)) in nf4-dq, "
                    + "\(Bytes.rounded(losses.planned, 5)) as planned (by nf4-dq's rise \(Bytes.rounded(expected, 5)) was to be expected)"
            ]
        }
    }

    /// The forms that people ask for by name.
    private var usual: [Quantization] { Quantization.named.map(\.value).filter(errors.forms.contains) }

    private func percent(_ value: Double) -> String { value.isFinite ? "\(Bytes.rounded(100 * value, 2)) %" : "unknown" }
    private func rise(_ cost: Double) -> String { cost.isFinite ? Bytes.significant(cost, 3) : "unknown" }
}

extension PrecisionStudy {
    /// The report for programs.
    func json(_ planned: PlannedPrecision, _ losses: Losses?) -> JSONValue {
        let plain = uniform(PrecisionStudy.yardstick)
        return [
            "model": .string(folder.description), "model_type": .string(modelType), "tokens": .number(JSONNumber(errors.tokens)),
            "forms": .array(
                errors.forms.map { form in
                    let (mean, uniform) = (errors.mean(under: form, of: taken), uniform(form))
                    return .object(
                        form.json.merging([
                            "bits_per_weight": .number(finite: bits(of: uniform)), "bytes": .number(JSONNumber(byteCount(of: uniform))),
                            "weight_error": .number(finite: mean.weights), "output_error": .number(finite: mean.outputs),
                            "cost": .number(finite: uniform.cost),
                        ]))
                }),
            "layers": .array(errors.layers.map { $0.json(isTaken: taken.contains($0.path)) }),
            "budget": [
                "bytes": .number(JSONNumber(byteCount(of: planned))), "bits_per_weight": .number(finite: bits(of: planned)),
                "cost": .number(finite: planned.cost), "least_cost": .number(finite: planned.leastCost), "nf4_dq_cost": .number(finite: plain.cost),
                "nf4_dq_bytes": .number(JSONNumber(byteCount(of: plain))),
            ],
            "plan": planned.plan.json,
            "nll": losses.map {
                [
                    "plain": .number(finite: $0.plain), "nf4_dq": .number(finite: $0.yardstick), "plan": .number(finite: $0.planned),
                    "tokens": .number(JSONNumber($0.tokens)),
                ]
            } ?? .null,
            "peak_memory_bytes": Diagnosis.peakMemory.map { .number(JSONNumber($0)) } ?? .null,
        ]
    }
}

extension LayerErrors {
    fileprivate func json(isTaken: Bool) -> JSONValue {
        [
            "path": .string(path), "shape": .array(shape.map { .number(JSONNumber($0)) }), "bytes": .number(JSONNumber(byteCount)),
            "influence": .number(finite: influence), "may_be_quantized": .bool(isTaken),
            "forms": .array(
                forms.map { errors in
                    .object(
                        errors.form.json.merging([
                            "bytes": .number(JSONNumber(errors.byteCount)),
                            "bits_per_weight": .number(finite: 8 * Double(errors.byteCount) / Double(max(1, count))),
                            "weight_error": .number(finite: errors.weights), "largest_error": .number(finite: errors.largest),
                            "signal_to_noise_db": .number(finite: errors.signalToNoise),
                            "output_error": errors.outputs.map { .number(finite: $0) } ?? .null, "cost": .number(finite: cost(of: errors)),
                        ]))
                }),
        ]
    }
}

extension Quantization {
    fileprivate var json: JSONObject {
        ["form": .string(name), "block_size": blockSize.map { .number(JSONNumber($0.count)) } ?? .null]
    }
}

extension JSONObject {
    /// The same with the fields of `other` behind its own.
    fileprivate func merging(_ other: JSONObject) -> JSONObject {
        other.keys.reduce(into: self) { $0[$1] = other[$1] }
    }
}
