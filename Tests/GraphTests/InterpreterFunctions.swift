import Foundation
import Graph

func exponential(_ x: Double) -> Double { exp(x) }
func logarithm(_ x: Double) -> Double { log(x) }
func power(_ x: Double, _ y: Double) -> Double { pow(x, y) }

func apply(_ function: UnaryFunction, _ x: Double) -> Double {
  let (alpha, beta) = (Double(function.alpha), Double(function.beta))
  switch function.kind {
  case .clamp: return min(max(x, alpha), beta)
  case .leakyRelu: return x < 0 ? alpha * x : x
  case .sigmoid: return 1 / (1 + exp(-x))
  case .tanh: return tanh(x)
  case .hardSigmoid: return max(0, min(1, alpha * x + beta))
  case .hardSwish: return x * max(0, min(1, x / 6 + 0.5))
  case .silu: return x / (1 + exp(-x))
  case .gelu: return x / 2 * (1 + erf(x / 2.0.squareRoot()))
  case .elu: return x < 0 ? alpha * (exp(x) - 1) : x
  case .erf: return erf(x)
  case .exp: return exp(x)
  case .sqrt: return x.squareRoot()
  case .reciprocal: return 1 / x
  case .abs: return x.magnitude
  case .negate: return -x
  case .sign: return x > 0 ? 1 : x < 0 ? -1 : x
  case .binarize: return x >= 0 ? 1 : -1
  case .softplus: return log1p(exp(x))
  default: preconditionFailure("the interpreter does not have \(function.kind)")
  }
}

func apply(_ function: BinaryFunction, _ a: Double, _ b: Double) -> Double {
  switch function {
  case .add: return a + b
  case .subtract: return a - b
  case .multiply: return a * b
  case .divide: return a / b
  case .minimum: return min(a, b)
  case .maximum: return max(a, b)
  case .power: return pow(a, b)
  case .prelu: return a < 0 ? a * b : a
  default: preconditionFailure("the interpreter does not have \(function)")
  }
}

func apply(_ function: ReduceFunction, _ line: [Double]) -> Double {
  switch function {
  case .mean: return line.reduce(0, +) / Double(line.count)
  case .sum: return line.reduce(0, +)
  case .max: return line.max()!
  case .min: return line.min()!
  case .product: return line.reduce(1, *)
  case .l1: return line.reduce(0) { $0 + $1.magnitude }
  case .l2: return line.reduce(0) { $0 + $1 * $1 }.squareRoot()
  case .sumSquare: return line.reduce(0) { $0 + $1 * $1 }
  default: preconditionFailure("the interpreter does not have \(function)")
  }
}
