extension Measurement {
    /// Everything that can be measured, in the order of tables.
    public static var all: [Measurement] {
        quantizationMeasurements() + linearMeasurements() + optimizerMeasurements() + generationMeasurements() + trainingMeasurements()
    }
}
