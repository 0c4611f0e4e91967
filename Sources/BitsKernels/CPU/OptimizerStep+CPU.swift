internal import CBitsCPU

extension OptimizerStep: CPUKernel {
    func runOnCPU() -> Int32 {
        guard var update = arithmetic.inC else {
            reference(HostMemory())
            return Int32(BITS_OK)
        }
        var moments = unsafe moments.map { unsafe $0.inC }
        let scale = unsafe gradientScale.map { unsafe UnsafePointer($0.pointer.assumingMemoryBound(to: Float.self)) }
        return unsafe bits_cpu_optimizer_step(
            &update, parameter.pointer, parameter.dtype.code, gradient.pointer, gradient.dtype.code, scale, &moments, Int32(moments.count),
            Int32(self.moments.first?.blocks?.size ?? 256), Int64(parameter.count))
    }
}

extension VectorNorm: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_norm(input.pointer, input.dtype.code, Int64(input.count), result.pointer.assumingMemoryBound(to: Float.self))
    }
}

extension ScaleInPlace: CPUKernel {
    func runOnCPU() -> Int32 {
        let scale = unsafe scale.map { unsafe UnsafePointer($0.pointer.assumingMemoryBound(to: Float.self)) }
        return unsafe bits_cpu_scale_in_place(values.pointer, values.dtype.code, scale, limit, Int64(values.count))
    }
}

extension MomentSlice {
    /// As the C kernels take it; valid while the slices live.
    fileprivate var inC: bits_moment {
        var result = unsafe bits_moment()
        unsafe result.values = values.pointer
        if let blocks {
            unsafe result.absmax = blocks.absmax.pointer.assumingMemoryBound(to: Float.self)
            unsafe result.codebook = UnsafePointer(blocks.codebook.pointer.assumingMemoryBound(to: Float.self))
            unsafe result.is_signed = blocks.isSigned ? 1 : 0
        }
        return unsafe result
    }
}

extension UpdateArithmetic {
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
