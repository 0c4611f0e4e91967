public import BitsCore
import BitsKernels

// Shapes: R = rows (all leading dimensions), K = columns (the last dimension).

extension Tensor {
    /// Quantizes each row to int8 by its largest magnitude.
    ///
    /// `codes[r, k] = roundHalfEven(fl(self[r, k] * fl(127 / scales[r])))`, `scales[r] = max |self[r, k]|`, both without outliers: entries of at least
    /// `outlierThreshold` do not count for the scale, and columns that hold one have code 0 throughout.
    ///
    /// - Parameters:
    ///   - outlierThreshold: 0 (the default) for none; LLM.int8() uses 6.
    /// - Returns: [.., K] codes with R scales; and the outlier columns, ascending, nil without a threshold.
    /// - Throws: ``BitsQuant/QuantizationError/invalidOutlierThreshold(_:)`` for a negative one or NaN; with a threshold, the first error of the work that leads
    ///   here, as the columns are waited for.
    /// - Note: the same bits on every device; computed in float32, whatever the type of `self`. NaN becomes code 0 and does not count for the scale
    ///   (``BitsQuant/Int8Tensor/nonFiniteInputCount()`` tells); a row with an infinity that is no outlier has an infinite scale and stands for NaN. Dettmers et
    ///   al. 2022, "LLM.int8()", arXiv:2208.07339. Reference: `int8_vectorwise_quant`.
    public func quantizedInt8(outlierThreshold: Float = 0) throws(QuantizationError) -> (tensor: Int8Tensor, outlierColumns: [Int]?) {
        try checkOutlierThreshold(outlierThreshold)
        let outliers = outlierThreshold > 0 ? device.allocate(.uint8, count: width) : nil
        let tensor = Int8Tensor(self, outlierThreshold: outlierThreshold, outliers: outliers, dtype: dtype)
        return (tensor, try outliers.map(markedColumns))
    }

    /// Quantizes to int8 twice: each row by its largest magnitude, and each column by its own.
    ///
    /// `columnCodes[r, k] = roundHalfEven(fl(fl(self[r, k] * 127) / columnScales[k]))`; entries of at least `outlierThreshold` have code 0 there, and do
    /// not count for the scale. The rows are those of ``quantizedInt8(outlierThreshold:)``.
    ///
    /// - Returns: `columnCodes` int8 [.., K], `columnScales` float32 [K].
    /// - Throws: as ``quantizedInt8(outlierThreshold:)``.
    /// - Note: computed in float32; the reference multiplies in float16, which overflows above 515. Reference: `int8_double_quant`.
    public func doublyQuantizedInt8(
        outlierThreshold: Float = 0
    ) throws(QuantizationError) -> (rows: Int8Tensor, columnCodes: Tensor, columnScales: Tensor, outlierColumns: [Int]?) {
        let (rows, outlierColumns) = try quantizedInt8(outlierThreshold: outlierThreshold)
        let codes = empty(shape, .int8)
        let scales = empty([width], .float32)
        device.run(QuantizeInt8Columns(elements, threshold: outlierThreshold, codes: codes.slice, scales: scales.slice))
        return (rows, codes, scales, outlierColumns)
    }

    private func checkOutlierThreshold(_ threshold: Float) throws(QuantizationError) {
        guard threshold >= 0 else { throw .invalidOutlierThreshold(threshold) }
    }
}

private func markedColumns(_ marks: Slice) throws(QuantizationError) -> [Int] {
    do {
        let marks = try marks.downloadIntegers()
        return marks.indices.filter { marks[$0] != 0 }
    } catch {
        throw .device(error)
    }
}
