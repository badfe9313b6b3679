public import CARMS

@_cdecl("arms_abi_version") @implementation
public func arms_abi_version() -> UInt32 { UInt32(ARMS_ABI_VERSION) }
