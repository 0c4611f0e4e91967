extension Measurement {
    /// Everything that can be measured, in the order of tables.
    public static var all: [Measurement] {
        quantizationMeasurements() + linearMeasurements() + int8LinearMeasurements() + optimizerMeasurements() + generationMeasurements()
            + trainingMeasurements() + readBandwidthMeasurements() + decodingMeasurements()
    }
}
