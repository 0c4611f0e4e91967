import BitsSystem

extension Processor {
    /// The environment variables that kernels are set by, as far as they are set.
    public static var environment: [String: String] {
        var found: [String: String] = [:]
        for name in ["BNB_CPU", "BNB_NUM_THREADS"] { found[name] = FileSystem.environment(name) }
        return found
    }

    /// What is wrong with a variable of ``environment``, which is ignored then, and what is allowed; nil when nothing is.
    public static var environmentProblem: String? {
        let found = environment
        if let level = found["BNB_CPU"], !Level.allCases.contains(where: { $0.name == level }) {
            return "BNB_CPU is '\(level)'; use one of \(Level.allCases.map(\.name).joined(separator: ", ")), or leave it out"
        }
        if let threads = found["BNB_NUM_THREADS"], !(1...1024).contains(Int(threads) ?? 0) {
            return "BNB_NUM_THREADS is '\(threads)'; use a number from 1 to 1024, or leave it out"
        }
        return nil
    }
}
