import ARMS
import CARMS
import CKernels

/// The ABI version of this library. Documented in `arms.h`.
@_cdecl("arms_abi_version") @implementation
public func arms_abi_version() -> UInt32 { UInt32(ARMS_ABI_VERSION) }

/// The release of this library. Documented in `arms.h`.
@_cdecl("arms_version") @implementation
public func arms_version() -> UnsafePointer<CChar>? { constant(libraryVersion) }

/// The instruction set that the kernels use. Documented in `arms.h`.
@_cdecl("arms_kernel_isa") @implementation
public func arms_kernel_isa() -> UnsafePointer<CChar>? { ck_kernels_best().pointee.isa }
