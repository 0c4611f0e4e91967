import BitsCore
public import BitsNN

/// A backbone with a head on it: what a checkpoint of a task holds. The tasks are the classes below this one, each with the loss that it is trained by.
public class TaskModel: BackboneModel {
    @Child public internal(set) var head: any Head
    let backboneName: String
    private let headName: String

    /// A model of its parts, each under its name in checkpoints.
    public init(_ parts: TaskParts) {
        guard let head = parts.head else { preconditionFailure("\(Self.self) without a head") }
        _head = Child(parts.headName)
        (backboneName, headName) = (parts.backboneName, parts.headName)
        super.init(parts, named: parts.backboneName)
        self.head = head
    }

    public override var outputHeads: [any LinearLayer] { [head.output] + head.outputHeads }

    public override var checkpointNames: CheckpointNames {
        var names = super.checkpointNames
        names.merge(head.checkpointNames)
        // A checkpoint of the backbone alone has its entries without the name before them.
        if names.optionalPrefix.isEmpty { names.optionalPrefix = "\(backboneName)." }
        // Some checkpoints hold a copy of a head that is tied.
        names.unused += head.namedModules(headName).filter { $0.module is TiedLinear }.map { "\($0.path).weight" }
        return names
    }
}
