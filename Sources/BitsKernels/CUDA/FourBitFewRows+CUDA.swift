// Shapes: M = rows of the input, N = rows of a weight, K = columns of a weight.

/// Products of one input of up to 8 rows with up to three 4-bit weights in one launch, on Hopper and later.
///
/// Of two weights the launch also computes the gated activation: the rows of both that belong together are one block's.
struct CUDAFourBitFewRows: CUDALaunching {
    /// By whether scales are nested, for one row and for up to 8.
    private static let functions = ["", "nested_"].map { form in [1, 8].map { CUDAFunctions("four_bit_hopper", "four_bit_few_\(form)\($0)") } }
    /// `MOST_WEIGHTS`, `MOST_TURNS`, `AHEAD` and `WARPS` of the kernels, the rows of a tile, the elements that a warp takes at a time, and the numbers that
    /// there is room to add.
    private static let (mostWeights, mostTurns, ahead, warps, tile, chunk, sums) = (3, 256, 2, 16, 16, 256, 8192)
    /// The table of pairs lies in the second 64 KB, and what is on its way behind it.
    private static let sharedByteCount = 227 << 10
    /// In front of the table: one row of an input, and scales that are on their way.
    private static let byteCountInFront = 62 << 10

    private(set) var products: [FourBitLinear]
    private(set) var gated: GatedActivation?
    private let (m, columns): (Int, Int)
    /// Of each product.
    private var tiles: [Int]
    /// What is dealt out to blocks of threads: tiles, or pairs of them.
    private var tilesOfItem = 1
    /// Whether nothing that is still to run before the launch writes the weights.
    var isConstant = false
    private let multiprocessors: Int

    /// nil where the kernels do not take the product.
    init?(_ product: FourBitLinear, on queue: CUDAQueue) {
        let (weight, properties) = (product.weight, queue.properties)
        guard properties.computeCapability >= 90, properties.sharedByteCount >= Self.sharedByteCount, product.precision != .float32,
            (1...8).contains(product.m), product.update == nil, weight.columns > 0, weight.columns % Self.chunk == 0, weight.blockSize >= 64,
            weight.blockSize.isPowerOfTwo,
            Self.takesMemory(of: weight)
        else { return nil }
        var scaleByteCount = 12 << 10
        if case .nested(_, _, _, _, let size) = weight.scales {
            if size < 4 || !size.isPowerOfTwo { return nil }
            scaleByteCount /= 2
        }
        products = [product]
        (m, columns) = (product.m, weight.columns)
        tiles = [Self.tiles(of: weight)]
        multiprocessors = properties.multiprocessorCount
        // A warp has its chunks of one row there, of 16 bits each.
        let inputByteCount = product.m == 1 ? Self.warps * waves * Self.chunk * 2 : 0
        if inputByteCount + scaleByteCount > Self.byteCountInFront { return nil }
        if turns > Self.mostTurns { return nil }
    }

    /// Whether there is a whole tile, and whether what is copied lies at multiples of its size.
    private static func takesMemory(of weight: FourBitMatrix) -> Bool {
        weight.rows >= tile && weight.packed.isAligned(to: 16) && (weight.scaleParts.codes?.deviceAddress ?? 0) % 4 == 0
    }

    private static func tiles(of weight: FourBitMatrix) -> Int { (weight.rows + tile - 1) / tile }

    private var first: FourBitLinear { products[0] }

    /// Whether no further weight can be taken.
    var isFull: Bool { products.count == Self.mostWeights || tilesOfItem > 1 }

    /// Takes another product of the same input.
    ///
    /// - Returns: whether that is possible.
    mutating func add(_ product: FourBitLinear, haveSameContents: (Slice, Slice) -> Bool) -> Bool {
        let (weight, other) = (first.weight, product.weight)
        guard !isFull, product.update == nil, product.input.isSame(as: first.input), product.precision == first.precision,
            other.columns == weight.columns, other.blockSize == weight.blockSize, Self.takesMemory(of: other),
            haveSameContents(other.code, weight.code)
        else { return false }
        switch (weight.scales, other.scales) {
        case (.plain, .plain): break
        case (.nested(_, let code, _, _, let size), .nested(_, let otherCode, _, _, let otherSize)):
            guard size == otherSize, haveSameContents(otherCode, code) else { return false }
        default: return false
        }
        tiles.append(Self.tiles(of: other))
        if turns > Self.mostTurns {
            tiles.removeLast()
            return false
        }
        products.append(product)
        return true
    }

    /// Takes the gated activation of the outputs of both products.
    ///
    /// - Returns: whether that is possible.
    mutating func add(_ activation: GatedActivation) -> Bool {
        guard products.count == 2, gated == nil, activation.activation == .silu, activation.gate.isSame(as: products[0].output),
            activation.up.isSame(as: products[1].output), activation.output.dtype == first.precision.dtype,
            products.allSatisfy({ $0.weight.rows == first.weight.rows && $0.output.dtype == first.precision.dtype })
        else { return false }
        tilesOfItem = 2
        if turns > Self.mostTurns {
            tilesOfItem = 1
            return false
        }
        gated = activation
        return true
    }

    // MARK: Sharing

    private var items: Int { tilesOfItem == 1 ? tiles.reduce(0, +) : tiles[0] }
    private var blocks: Int { min(items, multiprocessors) }
    /// The most that a block has.
    private var tilesOfBlock: Int { (items + blocks - 1) / blocks * tilesOfItem }
    private var chunks: Int { columns / Self.chunk }
    private var rowsOfInput: Int { m == 1 ? 1 : 8 }

    /// Warps that share the columns of a tile; a matter of their number alone, so that sums are the same whatever else is in the launch.
    private var across: Int { [16, 8, 4, 2].first { $0 <= chunks } ?? 1 }

    /// Parts of the columns, one after the other.
    private var waves: Int { (chunks + across - 1) / across }

    /// Tiles whose sums have room.
    private var room: Int { min(tilesOfBlock, Self.sums / (Self.tile * across * rowsOfInput) / tilesOfItem * tilesOfItem) }

    /// Turns of all groups of warps, as they lie in shared memory, and as many behind them as are looked at ahead.
    private var turns: Int {
        let along = Self.warps / across
        let ofGroup = (tilesOfBlock + room - 1) / room * ((room + along - 1) / along) * waves
        return (ofGroup + Self.ahead) * along
    }

    // MARK: Launch

    func launch(on queue: CUDAQueue) {
        var arguments = CUDAFewRowsArguments(self)
        let (x, dtype) = (first.input, first.precision.dtype)
        let isTaken = x.isAligned(to: 16) && (x.dtype == dtype || x.dtype == .float32 && m == 1)
        if !isTaken {
            arguments.input = queue.scratch(dtype, count: x.count)
            queue.convert(x, rows: 1, width: x.count, stride: x.count, to: arguments.input)
        }
        queue.launch(
            Self.functions[first.weight.scaleParts.codes == nil ? 0 : 1][m == 1 ? 0 : 1][dtype], blocks: blocks, threads: 32 * Self.warps,
            sharedByteCount: Self.sharedByteCount,
            overlaps: true, arguments)
    }

    /// `few_rows` of the kernels.
    private struct CUDAFewRowsArguments: CUDAArgument {
        let group: CUDAFourBitFewRows
        var input: Slice

        init(_ group: CUDAFourBitFewRows) {
            self.group = group
            input = group.first.input
        }

        func append(to arguments: inout CUDAArguments) {
            let (products, weight, scales) = (group.products, group.first.weight, group.first.weight.scaleParts)
            arguments.append(input, weight.columns, weight.code, scales.code, group.gated?.output)
            for index in 0..<mostWeights { append(index < products.count ? products[index] : nil, to: &arguments) }
            for index in 0..<mostWeights { arguments.append(index < products.count ? products[index].bias?.dtype.code ?? 0 : 0) }
            for index in 0..<mostWeights { arguments.append(index < products.count ? products[index].output.dtype.code : 0) }
            var tilesBefore: Int32 = 0
            for index in 0...mostWeights {
                arguments.append(tilesBefore)
                if index < products.count { tilesBefore += Int32(group.tiles[index]) }
            }
            let (each, withMore) = group.items.quotientAndRemainder(dividingBy: group.blocks)
            arguments.append(
                input.dtype.code, Int32(group.m), Int32(products.count), Int32(weight.blockSize.trailingZeroBitCount),
                Int32(scales.blockSize.trailingZeroBitCount), group.gated?.output.dtype.code ?? 0, Int32(group.across), Int32(group.room),
                Int32(each),
                Int32(withMore), Int32(group.isConstant ? 1 : 0), Int32(0))
        }

        /// One of the weights, or room for it.
        private func append(_ product: FourBitLinear?, to arguments: inout CUDAArguments) {
            let scales = product?.weight.scaleParts
            arguments.append(
                product?.weight.packed, scales?.absmax, scales?.codes, scales?.nestedAbsmax, scales?.offset, product?.bias, product?.output,
                product?.weight.rows ?? 0)
        }
    }
}
