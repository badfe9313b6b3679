/// The release of this library, `"0.1.0"` say. The header's `arms_version` and the Python package say the same.
public let libraryVersion: StaticString = "0.1.0"
