extension Head {
  /// Writes the gate's probabilities, `[queries, N]`, and the normalised query vectors `z`, `[queries, r]`.
  func forward(
    _ input: HeadInput, gate probabilities: UnsafeMutablePointer<Float>, out: UnsafeMutablePointer<Float>,
    on execution: Execution
  ) throws(ARMSError) {
    let workspace = try HeadWorkspace(input, self, on: execution)
    join(input, input.image, width: imageWidth, into: workspace.joined)
    for query in 0..<input.count {
      gate.forward(
        workspace.joined + query * gate.inputs, out: probabilities + query * gate.experts, execution.kernels)
    }
    // NaN in q or g reaches every probability, while quantising to int8 would hide it from here on.
    for index in 0..<input.count * gate.experts where !probabilities[index].isFinite {
      throw ARMSError(
        .notFinite, "the gate's probabilities are not finite numbers; the model file's weights are damaged")
    }
    mix(input, probabilities, workspace, on: execution)
    join(input, workspace.mixture, width: expertWidth, into: workspace.joined)
    classifier.embedQueries(
      workspace.joined, rows: input.count, room: workspace.quantized, out: out, on: execution)
  }

  /// `e_i = sum_n p_i^(n) e_i^(n)`, `[queries, d_e]`; an expert that no query chose is not computed.
  private func mix(
    _ input: HeadInput, _ probabilities: UnsafePointer<Float>, _ workspace: HeadWorkspace,
    on execution: Execution
  ) {
    workspace.mixture.update(repeating: 0, count: input.count * expertWidth)
    for (number, expert) in experts.enumerated() {
      var chosen = false
      for query in 0..<input.count where probabilities[query * gate.experts + number] != 0 { chosen = true }
      guard chosen else { continue }
      expert.forward(input, workspace, out: workspace.expert, on: execution)
      for query in 0..<input.count {
        let probability = probabilities[query * gate.experts + number]
        let (from, to) = (workspace.expert + query * expertWidth, workspace.mixture + query * expertWidth)
        for column in 0..<expertWidth { to[column] += probability * from[column] }
      }
    }
  }

  /// Rows `[q; x]`.
  func join(
    _ input: HeadInput, _ x: UnsafePointer<Float>, width: Int, into out: UnsafeMutablePointer<Float>
  ) {
    for query in 0..<input.count {
      let target = out + query * (questionWidth + width)
      target.update(from: input.question + query * questionWidth, count: questionWidth)
      (target + questionWidth).update(from: x + query * width, count: width)
    }
  }
}
