internal import BitsCore
internal import BitsKernels
internal import BitsSystem

/// A folder that appears with everything in it, or not at all.
///
/// Files go to ``workPath``, a hidden sibling; ``commit()`` gives it its name. Dropped before that, it is removed.
public struct OutputFolder: ~Copyable {
    private let folder: AtomicFolder

    /// - Throws: ``ModelFileError/system(_:)`` when `path` exists and is not an empty folder, or cannot be made.
    public init(path: String) throws(ModelFileError) {
        do { folder = try AtomicFolder(path: path) } catch { throw .system(error) }
    }

    /// Where to write until the commit.
    public var workPath: String { folder.workPath }

    /// Writes one file.
    public func write(_ bytes: [UInt8], as name: String) throws(ModelFileError) {
        do { try AtomicFile.write(bytes, to: "\(folder.workPath)/\(name)") } catch { throw .system(error) }
    }

    /// Makes the folder appear under its name.
    public consuming func commit() throws(ModelFileError) {
        do { try folder.commit() } catch { throw .system(error) }
    }
}

extension JSONValue {
    /// Writes a configuration file: indented as Python does, with a final newline.
    public func write(to path: String) throws(ModelFileError) {
        do { try AtomicFile.write(fileBytes, to: path) } catch { throw .system(error) }
    }
}
