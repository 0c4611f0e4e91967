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

    /// Looks whether `path` can be made, before the work whose result goes there.
    ///
    /// - Throws: as ``init(path:)``.
    public static func check(_ path: String) throws(ModelFileError) { _ = try OutputFolder(path: path) }

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

/// A file that a command makes, and that nothing may stand in the place of.
package enum OutputFile {
    /// Looks whether `path` is free and can be made, before the work whose result goes there.
    ///
    /// - Throws: ``ModelFileError/system(_:)`` when something is there already, or the folder around it is not there or not writable.
    package static func check(_ path: String) throws(ModelFileError) {
        guard FileSystem.kind(of: path) == .missing, !FileSystem.isLink(path) else {
            throw .system(FileError(path: path, message: "already exists; name a new file or remove this one", code: EEXIST))
        }
        do { _ = try AtomicFile(path: path) } catch { throw .system(error) }
    }

    /// Writes a whole file, in the place of one that is there.
    package static func replace(_ path: String, with bytes: [UInt8]) throws(ModelFileError) {
        do { try AtomicFile.write(bytes, to: path) } catch { throw .system(error) }
    }
}

extension JSONValue {
    /// Writes a configuration file: indented as Python does, with a final newline.
    public func write(to path: String) throws(ModelFileError) {
        do { try AtomicFile.write(fileBytes, to: path) } catch { throw .system(error) }
    }
}
