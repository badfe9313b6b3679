/// Minimises a smooth function of many variables (Nocedal and Wright, Numerical Optimization, algorithm 7.5),
/// with step lengths that satisfy Armijo's condition.
struct LBFGS {
  /// A function: writes the gradient at `x` and returns the value.
  typealias Function = (_ x: [Double], _ gradient: inout [Double]) -> Double

  /// Pairs of steps and gradient changes that stand for the Hessian.
  var memory = 8
  var iterations = 200
  /// The search ends when the gradient's largest entry is below this times that at the start.
  var tolerance = 1e-5

  /// The best point found from `start`.
  func minimum(of function: Function, from start: [Double]) -> [Double] {
    var x = start
    var gradient = [Double](repeating: 0, count: x.count)
    var value = function(x, &gradient)
    let enough = tolerance * largest(gradient)
    var history: [(step: [Double], change: [Double])] = []
    for _ in 0..<iterations where largest(gradient) > enough {
      let direction = descent(gradient, history)
      let slope = dot(direction, gradient)
      guard slope < 0 else { break }
      // The first direction is the gradient itself, whose length means nothing.
      var length = history.isEmpty ? 1 / max(1, dot(gradient, gradient).squareRoot()) : 1
      let least = 1e-12 * length
      var next = x
      var nextGradient = gradient
      var reached = value
      repeat {
        for index in x.indices { next[index] = x[index] + length * direction[index] }
        reached = function(next, &nextGradient)
        length /= 2
      } while !(reached <= value + 1e-4 * 2 * length * slope) && length > least
      guard reached < value else { break }
      let (step, change) = (subtract(next, x), subtract(nextGradient, gradient))
      // Only a positive curvature keeps the direction one of descent.
      if dot(step, change) > 1e-12 * dot(change, change) { history.append((step, change)) }
      if history.count > memory { history.removeFirst() }
      (x, gradient, value) = (next, nextGradient, reached)
    }
    return x
  }

  /// `-H g` by the two loops over the history.
  private func descent(_ gradient: [Double], _ history: [(step: [Double], change: [Double])]) -> [Double] {
    var direction = gradient.map(-)
    var weights: [Double] = []
    for (step, change) in history.reversed() {
      let weight = dot(step, direction) / dot(step, change)
      add(-weight, change, to: &direction)
      weights.append(weight)
    }
    if let (step, change) = history.last {
      let scale = dot(step, change) / dot(change, change)
      for index in direction.indices { direction[index] *= scale }
    }
    for ((step, change), weight) in zip(history, weights.reversed()) {
      add(weight - dot(change, direction) / dot(step, change), step, to: &direction)
    }
    return direction
  }
}

private func dot(_ x: [Double], _ y: [Double]) -> Double {
  var sum = 0.0
  for index in x.indices { sum += x[index] * y[index] }
  return sum
}

private func add(_ factor: Double, _ x: [Double], to y: inout [Double]) {
  for index in y.indices { y[index] += factor * x[index] }
}

private func subtract(_ x: [Double], _ y: [Double]) -> [Double] {
  x.indices.map { x[$0] - y[$0] }
}

private func largest(_ x: [Double]) -> Double { x.reduce(0) { max($0, abs($1)) } }
