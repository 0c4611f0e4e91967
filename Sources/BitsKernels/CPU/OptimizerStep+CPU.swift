internal import CBitsCPU

extension OptimizerStep: CPUKernel {
    func runOnCPU() -> Int32 {
        var steps = unsafe [bits_parameter_step]()
        var moments = unsafe [bits_moment]()
        for parameter in parameters {
            if let step = unsafe parameter.inC {
                unsafe steps.append(step)
                for moment in parameter.moments { unsafe moments.append(moment.inC) }
            } else {
                CPUBackend.shared.noteReference(of: OptimizerStep.self)
                parameter.reference(HostMemory())
            }
        }
        return unsafe bits_cpu_optimizer_step(steps, Int64(steps.count), moments)
    }
}

extension VectorNorm: CPUKernel {
    func runOnCPU() -> Int32 {
        let inputs = unsafe inputs.map { unsafe $0.valuesInC }
        return unsafe bits_cpu_norms(inputs, Int64(inputs.count), result.pointer.assumingMemoryBound(to: (Float, Float).self))
    }
}

extension ScaleInPlace: CPUKernel {
    func runOnCPU() -> Int32 {
        let values = unsafe values.map { unsafe $0.valuesInC }
        return unsafe bits_cpu_scale_in_place(values, Int64(values.count), scale?.floats, limit)
    }
}

extension Slice {
    fileprivate var valuesInC: bits_values { unsafe bits_values(values: pointer, count: Int64(count), dtype: dtype.code) }
}

extension ParameterStep {
    /// As the C kernels take it, without the moments; valid while the slices live. Nil for a rule that they do not know.
    fileprivate var inC: bits_parameter_step? {
        guard let update = update.inC else { return nil }
        return unsafe bits_parameter_step(
            update: update, parameter: parameter.pointer, gradient: gradient.pointer, gradient_scale: gradientScale?.floats,
            count: Int64(parameter.count), parameter_dtype: parameter.dtype.code, gradient_dtype: gradient.dtype.code,
            moment_count: Int32(moments.count), block_size: Int32(moments.first?.blocks?.size ?? 256))
    }
}

extension MomentSlice {
    /// As the C kernels take it; valid while the slices live.
    fileprivate var inC: bits_moment {
        var result = unsafe bits_moment()
        unsafe result.values = values.pointer
        if let blocks {
            unsafe result.absmax = blocks.absmax.floats
            unsafe result.codebook = UnsafePointer(blocks.codebook.floats)
            unsafe result.is_signed = blocks.isSigned ? 1 : 0
        }
        return unsafe result
    }
}

extension ElementUpdate {
    /// As the C kernels take it; nil for a rule that they do not know.
    fileprivate var inC: bits_update? {
        var update = bits_update()
        var flags = 0
        switch rule {
        case .adam(let rule):
            update.rule = Int32(BITS_RULE_ADAM)
            (update.beta1, update.gain1, update.beta2, update.gain2, update.epsilon) = (
                rule.beta1, rule.gain1, rule.beta2, rule.gain2, rule.epsilon
            )
            if rule.usesMaximum { flags |= BITS_UPDATE_AMSGRAD }
        case .adEMAMix(let rule):
            update.rule = Int32(BITS_RULE_ADEMAMIX)
            (update.beta1, update.gain1, update.beta2, update.gain2) = (rule.beta1, rule.gain1, rule.beta2, rule.gain2)
            (update.beta3, update.gain3, update.alpha, update.bias) = (rule.beta3, rule.gain3, rule.alpha, rule.bias)
            update.epsilon = rule.epsilon
        case .momentum(let rule):
            update.rule = Int32(BITS_RULE_MOMENTUM)
            (update.beta1, update.gain1) = (rule.beta, rule.gain)
            if rule.isFirst { flags |= BITS_UPDATE_FIRST_STEP }
            if rule.isNesterov { flags |= BITS_UPDATE_NESTEROV }
            if rule.roundsTwice { flags |= BITS_UPDATE_TWO_ROUNDINGS }
        case .rmsProp(let rule):
            update.rule = Int32(BITS_RULE_RMSPROP)
            (update.beta1, update.gain1, update.epsilon, update.beta2) = (rule.beta, rule.gain, rule.epsilon, rule.momentum ?? 0)
            if rule.momentum != nil { flags |= BITS_UPDATE_MOMENTUM }
            if rule.isCentered { flags |= BITS_UPDATE_CENTERED }
        case .adagrad(let rule):
            update.rule = Int32(BITS_RULE_ADAGRAD)
            update.epsilon = rule.epsilon
        case .lion(let rule):
            update.rule = Int32(BITS_RULE_LION)
            (update.beta1, update.gain1, update.beta2, update.gain2) = (rule.beta1, rule.gain1, rule.beta2, rule.gain2)
        case .custom:
            return nil
        }
        if coupledDecay != 0 { flags |= BITS_UPDATE_COUPLED_DECAY }
        if decaysFirst { flags |= BITS_UPDATE_DECAY_FIRST }
        if skipsZeros { flags |= BITS_UPDATE_SKIP_ZEROS }
        update.flags = Int32(flags)
        (update.weight_decay, update.decay, update.step, update.gradient_limit) = (coupledDecay, decay, step, gradientLimit)
        if let trust { (update.max_norm, update.direction_scale) = (trust.limit, trust.directionScale) }
        return update
    }
}
