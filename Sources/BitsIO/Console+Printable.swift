extension String {
    /// The text as it may reach a terminal, where parts of it come from a file: control characters but line ends are escaped (`\\u{1b}`), and of a line
    /// above 1,000 characters the middle is left out.
    package var printable: String {
        let lines = split(separator: "\n", omittingEmptySubsequences: false).map { line -> String in
            guard line.unicodeScalars.count > 1000 else { return String(line) }
            return "\(line.prefix(400))... (\(line.count) characters) ...\(line.suffix(100))"
        }
        var text = ""
        for scalar in lines.joined(separator: "\n").unicodeScalars {
            if scalar.properties.generalCategory == .control && scalar != "\n" || scalar.properties.isBidiControl {
                text += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
