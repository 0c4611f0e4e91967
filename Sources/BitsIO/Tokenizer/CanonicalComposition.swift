/// Unicode's normalization form C: characters composed where they can be, marks in canonical order.
///
/// The Unicode Standard, section 3.11; Hangul by arithmetic, the rest by ``CanonicalDecompositionData``.
enum CanonicalComposition {
    /// `text` in form C; what is in it already comes back unchanged, which is quick to see.
    static func apply(_ text: [UInt8]) -> [UInt8] {
        let span = text.span
        var index = 0
        while index < span.count {
            if span[index] < 0xcc {  // below U+0300
                index += UTF8Text.length(startingWith: span[index])
            } else if mayChange(UTF8Text.scalar(in: span, at: &index)) {
                return composed(ordered(decomposed(span)))
            }
        }
        return text
    }

    /// `text` in form D: decomposed, marks in canonical order.
    static func decompose(_ text: [UInt8]) -> [UInt8] {
        guard text.contains(where: { $0 >= 0xc3 }) else { return text }
        var result = [UInt8]()
        for scalar in ordered(decomposed(text.span)) { result.append(scalar: scalar) }
        return result
    }

    private static let tables = Tables()

    /// What a character decomposes into, and what pairs compose to.
    private struct Tables {
        var decompositions: [UInt32: [UInt32]] = [:]
        var compositions: [UInt64: UInt32] = [:]
        /// Characters that a text in form C need not contain as they stand: one bit each for the first 65,536, the others in a set.
        var suspects = [UInt64](repeating: 0, count: 1024)
        var rareSuspects: Set<UInt32> = []

        init() {
            var next: UInt32 = 0
            for word in CanonicalDecompositionData.runs.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
                let parts = word.split(separator: ":")
                if parts.count == 2 { next = UInt32(parts[0], radix: 16) ?? 0 }
                let target = (parts.last ?? word).split(separator: ".").compactMap { UInt32($0, radix: 16) }
                decompositions[next] = target
                let isExcluded = Unicode.Scalar(next)?.properties.isFullCompositionExclusion ?? true
                if isExcluded { suspect(next) }
                if target.count == 2 && !isExcluded {
                    compositions[UInt64(target[0]) << 32 | UInt64(target[1])] = next
                    suspect(target[1])
                }
                next += 1
            }
            for scalar in 0x1161...0x11c2 as ClosedRange<UInt32> { suspect(scalar) }
            for scalar in 0x300..<0x10000 as Range<UInt32> where combiningClass(scalar) != 0 { suspect(scalar) }
            for (scalar, target) in decompositions { decompositions[scalar] = expanded(target) }
        }

        private mutating func suspect(_ scalar: UInt32) {
            if scalar < 0x10000 { suspects[Int(scalar >> 6)] |= 1 << UInt64(scalar & 63) } else { rareSuspects.insert(scalar) }
        }

        private func expanded(_ target: [UInt32]) -> [UInt32] {
            target.flatMap { scalar in decompositions[scalar].map(expanded) ?? [scalar] }
        }
    }

    private static func combiningClass(_ scalar: UInt32) -> UInt8 {
        Unicode.Scalar(scalar)?.properties.canonicalCombiningClass.rawValue ?? 0
    }

    private static func mayChange(_ scalar: UInt32) -> Bool {
        if scalar < 0x10000 { return tables.suspects[Int(scalar >> 6)] >> UInt64(scalar & 63) & 1 != 0 }
        return tables.rareSuspects.contains(scalar) || combiningClass(scalar) != 0
    }

    private static func decomposed(_ text: Span<UInt8>) -> [UInt32] {
        var result = [UInt32]()
        var index = 0
        while index < text.count {
            let scalar = UTF8Text.scalar(in: text, at: &index)
            if scalar < 0xc0 {
                result.append(scalar)
            } else if scalar &- Hangul.syllables < Hangul.syllableCount {
                let (lead, rest) = (scalar - Hangul.syllables).quotientAndRemainder(dividingBy: Hangul.vowelCount * Hangul.tailCount)
                result += [Hangul.leads + lead, Hangul.vowels + rest / Hangul.tailCount]
                if rest % Hangul.tailCount != 0 { result.append(Hangul.tails + rest % Hangul.tailCount) }
            } else {
                result += tables.decompositions[scalar] ?? [scalar]
            }
        }
        return result
    }

    /// Marks on one base sorted by their class; those of the same class keep their order.
    private static func ordered(_ scalars: [UInt32]) -> [UInt32] {
        var scalars = scalars
        var classes = scalars.map { $0 < 0x300 ? 0 : combiningClass($0) }
        for index in scalars.indices where classes[index] != 0 {
            var position = index
            while position > 0 && classes[position - 1] > classes[position] {
                scalars.swapAt(position, position - 1)
                classes.swapAt(position, position - 1)
                position -= 1
            }
        }
        return scalars
    }

    private static func composed(_ scalars: [UInt32]) -> [UInt8] {
        var result = [UInt32]()
        var starter: Int?
        var lastClass: UInt8 = 0
        for scalar in scalars {
            let own = scalar < 0x300 ? 0 : combiningClass(scalar)
            // A mark between, of the same class or higher, keeps the two apart; so does another starter.
            if let starter, lastClass < own || starter == result.count - 1, let pair = composition(result[starter], scalar) {
                result[starter] = pair
                continue
            }
            if own == 0 { starter = result.count }
            lastClass = own
            result.append(scalar)
        }
        var text = [UInt8]()
        for scalar in result { text.append(scalar: scalar) }
        return text
    }

    private static func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if first &- Hangul.leads < Hangul.leadCount && second &- Hangul.vowels < Hangul.vowelCount {
            return Hangul.syllables + ((first - Hangul.leads) * Hangul.vowelCount + second - Hangul.vowels) * Hangul.tailCount
        }
        if first &- Hangul.syllables < Hangul.syllableCount, (first - Hangul.syllables) % Hangul.tailCount == 0,
            (second &- Hangul.tails) &- 1 < Hangul.tailCount - 1
        {
            return first + second - Hangul.tails
        }
        return tables.compositions[UInt64(first) << 32 | UInt64(second)]
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
