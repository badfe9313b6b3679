import ARMS
import Synchronization

/// What an opaque handle may stand for.
enum HandleKind: UInt64 {
  case router = 1
  case question = 2
  case image = 3
  case dataset = 4
  case trainer = 5
}

/// What the host holds by a handle. The kind follows from the type, so that no handle is of one and its object of
/// another.
protocol HandleObject: AnyObject {
  static var kind: HandleKind { get }
}

extension Router: HandleObject { static var kind: HandleKind { .router } }
extension EncodedQuestion: HandleObject { static var kind: HandleKind { .question } }
extension EncodedImage: HandleObject { static var kind: HandleKind { .image } }
extension DataSet: HandleObject { static var kind: HandleKind { .dataset } }
extension HostTrainer: HandleObject { static var kind: HandleKind { .trainer } }

/// The objects behind the handles that the host holds.
///
/// A handle is no address: it names a slot, the slot's generation and the kind of object. Using a handle that
/// was freed, or is of another kind, or never existed is therefore found out and answered with an error,
/// where a pointer would corrupt the host. A look-up takes three atomic operations and no lock.
///
/// Layout of the 64 bits: 0xA5 in the top byte, so that no valid address looks alike; kind, 3 bits;
/// generation, 29 bits; slot, 24 bits. A slot waits among 64 before it is used again, so that a handle comes back after
/// 34 billion others.
final class HandleTable: @unchecked Sendable {
  // `chunks` leads to memory that is changed by atomic operations only; that is why @unchecked holds.

  /// The only one: handles are known to the whole process.
  static let shared = HandleTable()

  // A slot's state: its generation in bits 32 and up, whether it is taken in bit 31, and the number of
  // look-ups under way in the bits below. An object is dropped by whoever finds it freed and unused last.
  private struct Slot: ~Copyable {
    let state = Atomic<UInt64>(0)
    let object = Atomic<UInt>(0)
  }

  private static let taken: UInt64 = 1 << 31
  private static let slotBits: UInt64 = 24
  private static let slotMask: UInt64 = (1 << 24) - 1
  private static let generationMask: UInt64 = (1 << 29) - 1
  private static let kindShift: UInt64 = 53
  private static let mark: UInt64 = 0xA5 << 56
  private static let chunkBits: UInt64 = 10
  private static let chunkCount = 1 << 14

  /// Chunks of 1,024 slots, made when they are needed and never freed: a stale handle is looked up in them.
  private let chunks: UnsafeMutablePointer<Atomic<UInt>>
  private let used = Atomic<UInt64>(0)
  /// The slots to be used again. Those that a thread of the parent was about to change are lost to a forked child.
  private let free = ForkSafe(FreeSlots()) { FreeSlots() }

  private init() {
    chunks = .allocate(capacity: Self.chunkCount)
    for index in 0..<Self.chunkCount { (chunks + index).initialize(to: Atomic<UInt>(0)) }
  }

  /// A new handle for `object`, which it retains; nil when 16 million are taken.
  func insert<T: HandleObject>(_ object: T) -> OpaquePointer? {
    guard let index = takeSlot(), let slot = slot(index) else { return nil }
    slot.pointee.object.store(UInt(bitPattern: Unmanaged.passRetained(object).toOpaque()), ordering: .relaxed)
    let generation = slot.pointee.state.load(ordering: .relaxed) >> 32
    slot.pointee.state.store((generation << 32) | Self.taken, ordering: .releasing)
    let bits =
      Self.mark | (T.kind.rawValue << Self.kindShift) | ((generation & Self.generationMask) << Self.slotBits)
      | index
    return OpaquePointer(bitPattern: UInt(bits))
  }

  /// The object of a handle, retained; nil if the handle is not valid.
  func find<T: HandleObject>(_ handle: OpaquePointer?, as type: T.Type) -> T? {
    guard let (index, generation) = decode(handle, T.kind), let slot = slot(index), pin(slot, generation)
    else { return nil }
    defer { unpin(slot, index) }
    let bits = slot.pointee.object.load(ordering: .relaxed)
    guard let pointer = UnsafeRawPointer(bitPattern: bits) else { return nil }
    return Unmanaged<AnyObject>.fromOpaque(pointer).takeUnretainedValue() as? T
  }

  /// Frees a handle; one that is not valid is left alone. The thread is not cancelled meanwhile.
  func remove(_ handle: OpaquePointer?, _ kind: HandleKind) {
    withoutCancellation { drop(handle, kind) }
  }

  private func drop(_ handle: OpaquePointer?, _ kind: HandleKind) {
    guard let (index, generation) = decode(handle, kind), let slot = slot(index), pin(slot, generation)
    else { return }
    // Of two who free at once, one finds it taken.
    var state = slot.pointee.state.load(ordering: .relaxed)
    while state & Self.taken != 0 {
      let (exchanged, seen) = slot.pointee.state.weakCompareExchange(
        expected: state, desired: state & ~Self.taken, ordering: .acquiringAndReleasing)
      if exchanged { break }
      state = seen
    }
    unpin(slot, index)
  }

  private func decode(
    _ handle: OpaquePointer?, _ kind: HandleKind
  ) -> (index: UInt64, generation: UInt64)? {
    let bits = UInt64(UInt(bitPattern: handle))
    guard bits >> Self.kindShift == (Self.mark >> Self.kindShift) | kind.rawValue else { return nil }
    return (bits & Self.slotMask, (bits >> Self.slotBits) & Self.generationMask)
  }

  /// Keeps the object of a slot from being dropped, if the slot is taken in that generation.
  private func pin(_ slot: UnsafeMutablePointer<Slot>, _ generation: UInt64) -> Bool {
    var state = slot.pointee.state.load(ordering: .relaxed)
    while state & Self.taken != 0, (state >> 32) & Self.generationMask == generation {
      let (exchanged, seen) = slot.pointee.state.weakCompareExchange(
        expected: state, desired: state + 1, ordering: .acquiring)
      if exchanged { return true }
      state = seen
    }
    return false
  }

  private func unpin(_ slot: UnsafeMutablePointer<Slot>, _ index: UInt64) {
    let before = slot.pointee.state.subtract(1, ordering: .acquiringAndReleasing).oldValue
    // The last look-up of a freed slot drops the object and passes the slot on.
    guard before & 0xFFFF_FFFF == 1 else { return }
    let object = slot.pointee.object.exchange(0, ordering: .relaxed)
    slot.pointee.state.store(((before >> 32) + 1) << 32, ordering: .releasing)
    free.withValue { $0.add(index) }
    if let pointer = UnsafeRawPointer(bitPattern: object) {
      Unmanaged<AnyObject>.fromOpaque(pointer).release()
    }
  }

  // MARK: Slots

  private func takeSlot() -> UInt64? {
    free.withValue { free -> UInt64? in
      if let index = free.take(leaving: FreeSlots.waiting) { return index }
      let index = used.load(ordering: .relaxed)
      let chunk = Int(index >> Self.chunkBits)
      guard chunk < Self.chunkCount else { return free.take(leaving: 0) }
      if chunks[chunk].load(ordering: .relaxed) == 0 {
        let slots = UnsafeMutablePointer<Slot>.allocate(capacity: 1 << Self.chunkBits)
        for slot in 0..<1 << Self.chunkBits { (slots + slot).initialize(to: Slot()) }
        chunks[chunk].store(UInt(bitPattern: slots), ordering: .releasing)
      }
      used.store(index + 1, ordering: .releasing)
      return index
    }
  }

  private func slot(_ index: UInt64) -> UnsafeMutablePointer<Slot>? {
    guard index < used.load(ordering: .acquiring) else { return nil }
    let bits = chunks[Int(index >> Self.chunkBits)].load(ordering: .acquiring)
    return UnsafeMutablePointer<Slot>(bitPattern: bits).map { $0 + Int(index & ((1 << Self.chunkBits) - 1)) }
  }
}

/// Slots that nobody holds, first in, first out.
private struct FreeSlots {
  /// How many wait while new ones can be had.
  static let waiting = 64

  private var indices: [UInt64] = []
  /// Those before it are taken.
  private var head = 0

  mutating func add(_ index: UInt64) { indices.append(index) }

  /// The one that waits longest, if more than `rest` do.
  mutating func take(leaving rest: Int) -> UInt64? {
    guard indices.count - head > rest else { return nil }
    defer {
      head += 1
      if 2 * head > indices.count {
        indices.removeFirst(head)
        head = 0
      }
    }
    return indices[head]
  }
}
