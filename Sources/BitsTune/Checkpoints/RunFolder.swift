import BitsCore
public import BitsIO
import BitsSystem

/// Where a run leaves its checkpoints, `checkpoint-N` after step N, and what came of it. One run at a time: another process is refused.
///
/// A checkpoint is written beside its place, put on disk, and renamed once all of it is there; so one that was begun when the process was killed is no
/// checkpoint. When it is used, the sizes and checks of its files are compared with what they were.
public final class RunFolder {
    public let path: String
    private let lock: FolderLock
    /// Of the checkpoint that was made or used last.
    public private(set) var newestPath: String?
    private let wasMissing: Bool

    /// Opens the folder at `path`, or makes it, and those around it.
    ///
    /// - Throws: ``BitsIO/ModelFileError/system(_:)`` when another run works there, or it cannot be made.
    public init(path: String) throws(ModelFileError) {
        let path = FileSystem.withoutTrailingSlash(path)
        wasMissing = FileSystem.kind(of: path) == .missing
        do throws(FileError) {
            try FileSystem.makeFolders(path)
            lock = try FolderLock(path: path)
            // Nobody else is at work here: these are left from a process that was killed.
            for name in try FileSystem.names(in: path) where name.hasPrefix(".") && name.hasSuffix(".partial") {
                FileSystem.removeFile("\(path)/\(name)")
                FileSystem.removeFolder("\(path)/\(name)")
            }
        } catch { throw .system(error) }
        self.path = path
    }

    deinit {
        // A run that could not begin leaves nothing behind.
        if wasMissing { FileSystem.removeEmptyFolder(path) }
    }

    /// Whether there is nothing in the folder.
    public var isEmpty: Bool { (try? FileSystem.names(in: path).isEmpty) ?? true }

    /// The steps that there are checkpoints of, whole or not, the newest first.
    public var checkpointSteps: [Int] {
        let names = (try? FileSystem.names(in: path)) ?? []
        return names.filter { $0.hasPrefix(RunFolder.prefix) }.compactMap { Int($0.dropFirst(RunFolder.prefix.count)) }.sorted(by: >)
    }

    private static let prefix = "checkpoint-"

    func checkpointPath(_ step: Int) -> String { "\(path)/\(RunFolder.prefix)\(step)" }

    /// Makes a checkpoint of `trainer` as it is, and removes those that its options do not keep.
    ///
    /// - Returns: where it is.
    /// - Throws: ``BitsIO/ModelFileError``, ``BitsOptim/OptimizerError`` when it cannot be written; what was there before stays.
    func save(_ trainer: Trainer) throws -> String {
        let step = trainer.progress.step
        let path = checkpointPath(step)
        // A run that goes on from a checkpoint before this one comes to the same again.
        if FileSystem.kind(of: path) != .missing, CheckpointManifest.objection(to: path) != nil { FileSystem.removeFolder(path) }
        if FileSystem.kind(of: path) == .missing {
            let folder = try OutputFolder(path: path)
            try trainer.writeCheckpoint(into: folder)
            try folder.write(CheckpointManifest(of: folder.workPath).json.fileBytes, as: CheckpointManifest.name)
            try folder.commit()
        }
        newestPath = path
        removeOldCheckpoints(trainer)
        return path
    }

    /// Removes the checkpoints that the options of `trainer` do not keep.
    func removeOldCheckpoints(_ trainer: Trainer) {
        guard let kept = trainer.options.keptCheckpoints else { return }
        let best = trainer.options.keepsBest ? trainer.progress.best?.step : nil
        for step in checkpointSteps.filter({ $0 <= trainer.progress.step }).dropFirst(kept) where step != best {
            // Under another name first, so that there is never a part of one under its own.
            let hidden = "\(path)/.\(RunFolder.prefix)\(step).partial"
            guard (try? FileSystem.move(checkpointPath(step), to: hidden)) != nil else { continue }
            FileSystem.removeFolder(hidden)
        }
    }

    /// The newest checkpoint that is whole, and why newer ones were passed over.
    func newestCheckpoint() -> (step: Int?, passedOver: [String]) {
        var passedOver: [String] = []
        for step in checkpointSteps {
            guard let objection = CheckpointManifest.objection(to: checkpointPath(step)) else {
                newestPath = checkpointPath(step)
                return (step, passedOver)
            }
            passedOver.append("\(checkpointPath(step)) is passed over: \(objection)")
        }
        return (nil, passedOver)
    }

    /// Puts files beside the checkpoints: what came of the run. Whoever reads the folder sees the file `last` only when all others are there.
    ///
    /// - Parameter write: is given the path of a folder to make, with the files in it.
    public func publish(last: String, _ write: (String) throws -> Void) throws {
        let hidden = "\(path)/.result.partial"
        FileSystem.removeFolder(hidden)
        try write(hidden)
        defer { FileSystem.removeFolder(hidden) }
        do throws(FileError) {
            for name in try FileSystem.names(in: hidden).filter({ $0 != last }) + [last] {
                // A folder takes the place of an empty one alone.
                if FileSystem.kind(of: "\(hidden)/\(name)") == .folder { FileSystem.removeFolder("\(path)/\(name)") }
                try FileSystem.move("\(hidden)/\(name)", to: "\(path)/\(name)")
            }
            try FileSystem.sync(folder: path)
        } catch { throw ModelFileError.system(error) }
    }
}
