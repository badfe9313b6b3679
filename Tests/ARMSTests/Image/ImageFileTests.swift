import Glibc
import Testing

@testable import ARMS

@Suite struct ImageFileTests {
  private func failure(_ path: String, maxBytes: Int = 1 << 20) -> ARMSError? {
    do {
      _ = try ImageFixtures.levels(.path(path), limits: ImageLimits(maxBytes: maxBytes, maxPixels: 1 << 20))
      return nil
    } catch { return error }
  }

  @Test func readsAPath() {
    #expect(failure(ImageFixtures.path("jpeg_420.jpg")) == nil)
  }

  @Test func namesTheFileThatIsMissing() throws {
    let error = try #require(failure("/nowhere/at all.jpg"))
    #expect(error.code == .io)
    #expect(error.message.contains("/nowhere/at all.jpg cannot"))
    #expect(error.message.contains("No such file"))
  }

  @Test func refusesWhatIsNoFile() throws {
    #expect(failure("/")?.message.contains("directory") == true)
    #expect(failure("/dev/zero")?.message.contains("regular file") == true)
    #expect(failure("")?.code == .invalidArgument)
    #expect(failure("a\0b")?.code == .invalidArgument)
  }

  @Test func refusesAFIFOWithoutWaitingForItsWriter() throws {
    let path = "/tmp/arms-image-\(getpid()).fifo"
    #expect(mkfifo(path, 0o600) == 0)
    defer { unlink(path) }
    #expect(failure(path)?.message.contains("regular file") == true)
  }

  @Test func refusesAnEmptyFile() throws {
    let path = "/tmp/arms-image-\(getpid()).empty"
    let file = open(path, O_CREAT | O_WRONLY, 0o600)
    #expect(file >= 0)
    close(file)
    defer { unlink(path) }
    let error = try #require(failure(path))
    #expect(error.code == .invalidImage)
    #expect(error.message.contains("empty"))
  }

  @Test func refusesAFileAboveTheLimit() throws {
    let error = try #require(failure(ImageFixtures.path("jpeg_420.jpg"), maxBytes: 100))
    #expect(error.code == .limitExceeded)
    #expect(error.message.contains("100"))
  }

  @Test func namesTheFileThatHasTooManyPixels() throws {
    let path = ImageFixtures.path("refused_bomb.png")
    let error = try #require(failure(path))
    #expect(error.code == .limitExceeded)
    #expect(error.message.hasPrefix("image \(path): 100000 x 100000 pixels are more than the limit"))
  }
}
