internal import CBitsCPU

extension EmbeddingGather: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_embedding_gather(
            table.pointer, table.dtype.code, Int64(width == 0 ? 0 : table.count / width), Int64(width), indices.pointer, indices.dtype.code,
            Int64(indices.count), output.pointer, output.dtype.code)
    }
}

extension EmbeddingScatterAdd: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_embedding_scatter_add(
            outputGradient.pointer, outputGradient.dtype.code, indices.pointer, indices.dtype.code, Int64(indices.count), Int64(width),
            tableGradient.pointer, tableGradient.dtype.code, Int64(width == 0 ? 0 : tableGradient.count / width))
    }
}
