import CThreading
import Glibc
import Testing

@testable import ARMS

/// How many threads a pool has by default.
@Suite struct UsableCoresTests {
  /// What `ct_quota_cores` makes of a process in `group` when these groups have these limits.
  private func cores(_ limits: [String: String], membership: String) throws -> Int32 {
    let directory = try TemporaryDirectory()
    defer { limits.keys.sorted().reversed().forEach { rmdir(directory.path + $0) } }
    for (group, limit) in limits.sorted(by: { $0.key < $1.key }) {
      mkdir(directory.path + group, 0o755)
      _ = try directory.file("\(group)/cpu.max", Array(limit.utf8))
    }
    defer { limits.keys.forEach { unlink("\(directory.path)\($0)/cpu.max") } }
    return ct_quota_cores(try directory.file("cgroup", Array(membership.utf8)), directory.path)
  }

  @Test(
    arguments: [
      ("200000 100000\n", 2), ("150000 100000\n", 2), ("1000 100000\n", 1), ("max 100000\n", Int32.max),
      ("", .max), ("-1 100000\n", .max), ("0 0\n", .max), ("9223372036854775807 1\n", .max),
      ("nonsense", .max),
    ])
  func aLimitIsRoundedUp(_ limit: String, _ expected: Int32) throws {
    #expect(try cores(["": limit], membership: "0::/\n") == expected)
  }

  @Test func theLeastOfTheGroupsAboveCounts() throws {
    let limits = ["": "max 100000", "/a": "300000 100000", "/a/b": "800000 100000"]
    #expect(try cores(limits, membership: "0::/a/b\n") == 3)
    #expect(try cores(limits, membership: "12:cpu:/x\n0::/a\n") == 3)
    #expect(try cores(limits, membership: "0::/\n") == .max)
  }

  /// A container sees its own group as the root.
  @Test func aGroupOutsideIsTheRoot() throws {
    #expect(try cores(["": "400000 100000"], membership: "0::/../../other\n") == 4)
    #expect(try cores(["": "400000 100000"], membership: "") == 4)
  }

  @Test func filesThatAreMissingLimitNothing() {
    #expect(ct_quota_cores("/nonexistent", "/nonexistent") == .max)
    #expect(ct_usable_cores() >= 1)
  }
}
