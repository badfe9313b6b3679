// Trains a small router, with a checkpoint after every step, until it is done or killed:
//
//     train-run MODEL CHECKPOINT OUTPUT EPOCHS
//
// Goes on from the checkpoint if there is one. kill_training.py kills it at random moments.
import ARMS
import Glibc

let arguments = CommandLine.arguments
guard arguments.count == 5, let epochs = Int(arguments[4]) else {
  print("usage: train-run MODEL CHECKPOINT OUTPUT EPOCHS")
  exit(2)
}
let (checkpoint, output) = (arguments[2], arguments[3])

/// Pixels of a prepared image that differ from image to image.
func image(_ number: Int, _ count: Int) throws -> Sample.Image {
  let pixels = (0..<count).map { Float(($0 * 7 + number * 11) % 17) / 8 - 1 }
  return try pixels.withUnsafeBufferPointer { try Sample.Image(copying: ImageInput(.prepared($0))) }
}

do {
  var opening = Router.Options()
  opening.threads = 2
  let router = try Router(path: arguments[1], options: opening)
  let names = router.candidates.map(\.name)
  let data = DataSet()
  try data.append(
    (0..<24).map { number in
      Sample(
        question: "what is the value \(number) of the chart",
        images: try (0..<number % 3).map { try image(number + $0, router.preparedCount) },
        outcomes: names.enumerated().map { place, name in
          Outcome(candidate: name, label: Float((number + place) % 2))
        })
    })
  var options = TrainingOptions()
  options.scope = TrainingScope(textLayers: 1, imageLayers: .max)
  options.epochs = epochs
  options.batchSize = 4
  options.learningRate = LearningRate(peak: 1e-3, warmup: 4, shape: .cosine)
  options.seed = 11
  let trainer = try Trainer(router, options: options)
  if access(checkpoint, F_OK) == 0 { try trainer.resume(from: checkpoint) }
  print("ready")
  fflush(nil)
  try trainer.train(data, checkpoint: Checkpointing(path: checkpoint, interval: 1)) { progress in
    print("step \(progress.step)")
    fflush(nil)
    return true
  }
  try trainer.save(to: output)
} catch {
  print("error: \(error)")
  exit(1)
}
