package import BitsCore

/// Writes a model's folder anew with other weights: they are announced first and asked for one by one, the tokenizer's files are copied.
package struct CheckpointRewriter {
    /// Files beside the weights that belong to the model and are copied as they are.
    private static let companions =
        ["generation_config.json", "chat_template.jinja", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE"] + TokenizerSource.names

    private let folder: ModelFolder
    private let checkpoint: Checkpoint?
    private let configuration: ModelConfiguration
    package let tensors: [CheckpointLayout.Announcement]

    /// - Parameters:
    ///   - folder: whose other files are copied.
    ///   - checkpoint: what is rewritten, if it is a file: the pages of tensors that were written are given back, so that memory holds one.
    ///   - configuration: `config.json` as it is to be written.
    package init(
        folder: ModelFolder, checkpoint: Checkpoint? = nil, configuration: ModelConfiguration, tensors: [CheckpointLayout.Announcement]
    ) {
        (self.folder, self.checkpoint, self.configuration, self.tensors) = (folder, checkpoint, configuration, tensors)
    }

    /// Writes the folder `path`.
    ///
    /// - Parameters:
    ///   - maximumFileByteCount: above it the weights are spread over several files.
    ///   - contents: gives the tensor of a name when its turn comes.
    /// - Returns: bytes of all tensors.
    /// - Throws: ``ModelFileError`` when the folder exists, cannot be written, or the disk is full. Nothing is left behind then.
    package func write(
        to path: String, maximumFileByteCount: Int, contents: (_ name: String) throws(ModelFileError) -> Tensor
    ) throws(ModelFileError) -> Int {
        let output = try OutputFolder(path: path)
        let layout = CheckpointLayout(tensors, maximumFileByteCount: maximumFileByteCount)
        var previous: String?
        try Checkpoint.write(layout, to: output.workPath) { (name) throws(ModelFileError) in
            if let previous { checkpoint?.release(previous) }
            previous = name
            return try contents(name)
        }
        try output.write(configuration.json.fileBytes, as: "config.json")
        for name in CheckpointRewriter.companions {
            guard let file = try folder.fileIfPresent(name) else { continue }
            try output.write(file.bytes(in: 0..<file.byteCount), as: name)
        }
        try output.commit()
        return layout.byteCount
    }
}
