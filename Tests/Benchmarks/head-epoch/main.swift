// Times epochs of training the head of a model file, whose encoders have run before:
//
//     head-epoch MODEL SAMPLES BATCH THREADS EPOCHS [bfloat16]
//
// With bfloat16 the linear layers multiply operands that are rounded to it. Prints the seconds of each epoch, one a
// line. head_epoch.py compares them with PyTorch's.
import ARMS
import Glibc

func seconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Queries of eight images in turn, each with an outcome of every candidate.
func queries(_ router: Router, count: Int) throws -> DataSet {
  let images = try (0..<8).map { number in
    let pixels = (0..<router.preparedCount).map { Float(($0 * 7 + number * 11) % 17) / 8 - 1 }
    return try pixels.withUnsafeBufferPointer { try Sample.Image(copying: ImageInput(.prepared($0))) }
  }
  let names = router.candidates.map(\.name)
  let data = DataSet()
  try data.append(
    (0..<count).map { number in
      Sample(
        question: "what is the value \(number) of the chart", images: [images[number / 8 % 8]],
        outcomes: names.enumerated().map { place, name in
          Outcome(candidate: name, label: Float((number + place) % 2))
        })
    })
  return data
}

let arguments = CommandLine.arguments
let numbers = arguments.dropFirst(2).prefix(4).compactMap { Int($0) }
let rest = arguments.dropFirst(6)
guard numbers.count == 4, rest.isEmpty || Array(rest) == ["bfloat16"] else {
  fatalError("usage: head-epoch MODEL SAMPLES BATCH THREADS EPOCHS [bfloat16]")
}
var options = Router.Options()
options.threads = numbers[2]
let router = try Router(path: arguments[1], options: options)
var training = TrainingOptions()
training.epochs = numbers[3]
training.batchSize = numbers[1]
training.microBatchSize = 256
training.usesBFloat16 = !rest.isEmpty
let trainer = try Trainer(router, options: training)
let data = try queries(router, count: numbers[0])
// What the frozen encoders make of the queries is kept from here on: an epoch is the head's alone.
_ = try trainer.evaluate(data)
var start = seconds()
let stepsPerEpoch = (numbers[0] + numbers[1] - 1) / numbers[1]
try trainer.train(data) { progress in
  if progress.step % stepsPerEpoch == 0 {
    print(seconds() - start)
    start = seconds()
  }
  return true
}
