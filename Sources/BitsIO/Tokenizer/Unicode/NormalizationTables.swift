/// What characters decompose into, what composes, and in what order marks stand.
struct NormalizationTables: Sendable {
    static let canonical = NormalizationTables(isCompatible: false)
    static let compatible = NormalizationTables(isCompatible: true)

    /// Decompositions in full.
    private var decompositions: [UInt32: [UInt32]] = [:]
    private var compositions: [UInt64: UInt32] = [:]
    private var classes: [UInt32: UInt8] = [:]
    /// Characters that a composed, a decomposed text need not contain as they stand, or that depend on what stands before. Any other begins a part
    /// that nothing before it changes.
    private(set) var composedSuspects = ScalarBits()
    private(set) var decomposedSuspects = ScalarBits()

    private init(isCompatible: Bool) {
        NormalizationTables.forEach(NormalizationData.canonical) { scalar, target in
            let parts = target.split { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ",") }.map { NormalizationTables.number($0) }
            decompositions[scalar] = parts
            if target.contains(UInt8(ascii: ".")) {
                compositions[NormalizationTables.pair(parts[0], parts[1])] = scalar
                composedSuspects.insert(parts[1])
                decomposedSuspects.insert(scalar)
            } else {
                suspect(scalar)
            }
        }
        for (scalar, parts) in decompositions { decompositions[scalar] = expanded(parts) }
        if isCompatible {
            NormalizationTables.forEach(NormalizationData.compatible) { scalar, target in
                decompositions[scalar] = target.split(separator: UInt8(ascii: ".")).map { NormalizationTables.number($0) }
                suspect(scalar)
            }
        }
        for run in Array(NormalizationData.classes.utf8).split(separator: UInt8(ascii: " ")) {
            let numbers = run.split(separator: UInt8(ascii: ".")).map { NormalizationTables.number($0) }
            for scalar in numbers[0]..<numbers[0] + numbers[1] {
                classes[scalar] = UInt8(numbers[2])
                suspect(scalar)
            }
        }
        for scalar in Hangul.vowels..<Hangul.vowels + Hangul.vowelCount { composedSuspects.insert(scalar) }
        for scalar in Hangul.tails + 1..<Hangul.tails + Hangul.tailCount { composedSuspects.insert(scalar) }
        for scalar in Hangul.syllables..<Hangul.syllables + Hangul.syllableCount { decomposedSuspects.insert(scalar) }
    }

    private mutating func suspect(_ scalar: UInt32) {
        composedSuspects.insert(scalar)
        decomposedSuspects.insert(scalar)
    }

    private func expanded(_ parts: [UInt32]) -> [UInt32] { parts.flatMap { scalar in decompositions[scalar].map(expanded) ?? [scalar] } }

    /// Gives `body` the characters of `runs` and what each becomes.
    private static func forEach(_ runs: String, _ body: (UInt32, ArraySlice<UInt8>) -> Void) {
        var next: UInt32 = 0
        for word in Array(runs.utf8).split(separator: UInt8(ascii: " ")) {
            var target = word
            if let colon = word.firstIndex(of: UInt8(ascii: ":")) {
                next = number(word[..<colon])
                target = word[(colon + 1)...]
            }
            body(next, target)
            next += 1
        }
    }

    private static func number(_ digits: some Sequence<UInt8>) -> UInt32 {
        digits.reduce(0) { $0 << 4 | UInt32($1 <= UInt8(ascii: "9") ? $1 - 0x30 : $1 - 0x37) }
    }

    private static func pair(_ first: UInt32, _ second: UInt32) -> UInt64 { UInt64(first) << 32 | UInt64(second) }

    /// Appends what `scalar` decomposes into, itself where it does not.
    func decompose(_ scalar: UInt32, into part: inout [UInt32]) {
        if scalar &- Hangul.syllables < Hangul.syllableCount {
            let (lead, rest) = (scalar - Hangul.syllables).quotientAndRemainder(dividingBy: Hangul.vowelCount * Hangul.tailCount)
            part.append(Hangul.leads + lead)
            part.append(Hangul.vowels + rest / Hangul.tailCount)
            if rest % Hangul.tailCount != 0 { part.append(Hangul.tails + rest % Hangul.tailCount) }
        } else if let target = decompositions[scalar] {
            part += target
        } else {
            part.append(scalar)
        }
    }

    /// Sorts each run of marks by their class; those of the same class keep their order.
    func order(_ part: inout [UInt32]) {
        var start = 0
        while start < part.count {
            var end = start
            var keys = [UInt64]()
            while end < part.count, let own = classes[part[end]] {
                keys.append(UInt64(own) << 32 | UInt64(end - start))
                end += 1
            }
            if zip(keys, keys.dropFirst()).contains(where: { $0 > $1 }) {
                let marks = Array(part[start..<end])
                for (place, key) in keys.sorted().enumerated() { part[start + place] = marks[Int(key & 0xffff_ffff)] }
            }
            start = end + 1
        }
    }

    /// Puts characters together with the one that they stand on, where there is one character for both.
    func compose(_ part: inout [UInt32]) {
        var count = 0
        var base: Int?
        var lastClass: UInt8 = 0
        for scalar in part {
            let own = classes[scalar] ?? 0
            // A mark between, of the same class or higher, keeps the two apart; so does another base.
            if let base, lastClass < own || base == count - 1, let composed = composition(part[base], scalar) {
                part[base] = composed
                continue
            }
            if own == 0 { base = count }
            lastClass = own
            part[count] = scalar
            count += 1
        }
        part.removeSubrange(count...)
    }

    private func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if first &- Hangul.leads < Hangul.leadCount && second &- Hangul.vowels < Hangul.vowelCount {
            return Hangul.syllables + ((first - Hangul.leads) * Hangul.vowelCount + second - Hangul.vowels) * Hangul.tailCount
        }
        if first &- Hangul.syllables < Hangul.syllableCount, (first - Hangul.syllables) % Hangul.tailCount == 0,
            (second &- Hangul.tails) &- 1 < Hangul.tailCount - 1
        {
            return first + second - Hangul.tails
        }
        return compositions[NormalizationTables.pair(first, second)]
    }

    private enum Hangul {
        static let syllables: UInt32 = 0xac00
        static let leads: UInt32 = 0x1100
        static let vowels: UInt32 = 0x1161
        static let tails: UInt32 = 0x11a7
        static let leadCount: UInt32 = 19
        static let vowelCount: UInt32 = 21
        static let tailCount: UInt32 = 28
        static let syllableCount: UInt32 = 11172
    }
}
