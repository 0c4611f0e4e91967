/// The classes of characters that normalizers drop or change.
///
/// They are those of older versions of Unicode, as in Hugging Face's tokenizers: what came after version 8 (for combining marks 9) is of none of
/// these classes there, and the few characters that have another category today keep the one they had.
enum CleaningClass {
    /// Controls, formats and private use: categories Cc, Cf and Co.
    static let control: UInt8 = 1
    /// Category Mn: accents and the like.
    static let nonspacingMark: UInt8 = 2
    /// Category M: marks of all kinds.
    static let combiningMark: UInt8 = 4
    /// White_Space, of which there is no newer one.
    static let space: UInt8 = 8

    /// The classes of a character.
    @inline(__always)
    static func of(_ scalar: UInt32) -> UInt8 { scalar < 0x10000 ? basicPlane[Int(scalar)] : computed(scalar) }

    /// The first 65,536 characters' classes; made when first needed, in a few milliseconds.
    private static let basicPlane: [UInt8] = (0..<0x10000).map { computed($0) }

    private static func computed(_ value: UInt32) -> UInt8 {
        guard let properties = Unicode.Scalar(value)?.properties, let age = properties.age?.major else { return 0 }
        let white = properties.isWhitespace ? space : 0
        switch value {
        case 0x1734, 0x1171e: return nonspacingMark | combiningMark
        case 0xa9bd, 0x1885, 0x1886: return age <= 9 ? combiningMark : 0
        case 0x1cf2, 0x1cf3: return combiningMark
        case 0x111c9: return 0
        default: break
        }
        switch properties.generalCategory {
        case .control, .format, .privateUse: return age <= 8 ? control | white : white
        case .nonspacingMark: return (age <= 8 ? nonspacingMark : 0) | (age <= 9 ? combiningMark : 0)
        case .spacingMark, .enclosingMark: return age <= 9 ? combiningMark : 0
        default: return white
        }
    }
}
