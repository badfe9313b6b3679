// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "route",
  dependencies: [.package(name: "arms", path: "../..")],
  targets: [
    .executableTarget(name: "route", dependencies: [.product(name: "ARMS", package: "arms")])
  ]
)
