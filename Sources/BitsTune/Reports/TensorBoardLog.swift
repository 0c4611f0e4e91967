public import BitsCore
public import BitsIO
import BitsSystem

/// A run's log in the form that TensorBoard shows: a file of events, each a record with its length and checks.
///
/// Steps are `train/loss`, `train/learning_rate` and `train/grad_norm`, evaluations `eval/nll`; with a device, steps have `memory/total` and its parts too, what it
/// held when that was the most so far.
public final class TensorBoardLog {
    private let file: AppendedFile
    private let memory: MemoryLedger?

    /// Begins a file in `folder`; TensorBoard reads all files of a folder as one run.
    ///
    /// - Parameter device: whose memory is told; nil for none.
    /// - Throws: ``BitsIO/ModelFileError/system(_:)``.
    public init(folder: String, device: Device? = nil) throws(ModelFileError) {
        memory = device?.memory
        let host = SystemFile.line(of: "/proc/sys/kernel/hostname") ?? "host"
        let now = WallClock.seconds
        do throws(FileError) {
            file = try AppendedFile(path: "\(folder)/events.out.tfevents.\(Int(now)).\(host).\(UInt32.random(in: 0 ... .max))")
            try file.write(EventRecord.bytes(EventRecord.version(time: now)))
        } catch { throw .system(error) }
    }

    /// Writes down what is for the log: an observer of a ``Trainer``.
    ///
    /// - Throws: ``BitsIO/ModelFileError/system(_:)``.
    public func observe(_ event: TrainingEvent) throws(ModelFileError) {
        let (step, values): (Int, [(String, Double)])
        switch event {
        case .step(let told):
            let norm = told.gradientNorm.map { [("train/grad_norm", $0)] } ?? []
            (step, values) = (told.step, [("train/loss", told.loss), ("train/learning_rate", told.learningRate)] + norm + held)
        case .evaluation(let evaluation): (step, values) = (evaluation.step, [("eval/nll", evaluation.nll)])
        case .checkpoint: return
        }
        let record = EventRecord.bytes(EventRecord.scalars(values, step: step, time: WallClock.seconds))
        do { try file.write(record) } catch { throw .system(error) }
    }

    private var held: [(String, Double)] {
        guard let peak = memory?.peak else { return [] }
        let parts = MemoryCategory.allCases.filter { peak[$0] > 0 }.map { ("memory/\($0.name)", Double(peak[$0])) }
        return [("memory/total", Double(peak.total))] + parts
    }
}

/// An event as TensorFlow writes it: a record around a message in the wire format of protocol buffers.
enum EventRecord {
    /// The first event of a file.
    static func version(time: Double) -> [UInt8] { double(1, time) + message(3, Array("brain.Event:2".utf8)) }

    static func scalars(_ values: [(tag: String, value: Double)], step: Int, time: Double) -> [UInt8] {
        let summary = values.flatMap { tag, value in message(1, message(1, Array(tag.utf8)) + float(2, Float(value))) }
        return double(1, time) + key(2, 0) + varint(UInt64(step)) + message(5, summary)
    }

    /// Length, its check, contents, their check.
    static func bytes(_ contents: [UInt8]) -> [UInt8] {
        let length = littleEndian(UInt64(contents.count))
        return length + littleEndian(maskedCheck(length)) + contents + littleEndian(maskedCheck(contents))
    }

    /// The check in the form that the format has, so that checks of checks are none again.
    private static func maskedCheck(_ bytes: [UInt8]) -> UInt32 {
        var check = CRC32C()
        check.append(bytes)
        return (check.value >> 15 | check.value << 17) &+ 0xa282_ead8
    }

    private static func key(_ field: UInt64, _ type: UInt64) -> [UInt8] { varint(field << 3 | type) }
    private static func double(_ field: UInt64, _ value: Double) -> [UInt8] { key(field, 1) + littleEndian(value.bitPattern) }
    private static func float(_ field: UInt64, _ value: Float) -> [UInt8] { key(field, 5) + littleEndian(value.bitPattern) }
    private static func message(_ field: UInt64, _ bytes: [UInt8]) -> [UInt8] { key(field, 2) + varint(UInt64(bytes.count)) + bytes }

    private static func varint(_ number: UInt64) -> [UInt8] {
        var (rest, bytes): (UInt64, [UInt8]) = (number, [])
        repeat {
            bytes.append(UInt8(rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return bytes
    }

    private static func littleEndian<T: FixedWidthInteger>(_ number: T) -> [UInt8] {
        (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }
}
